//! What a person should know: in-app messages, one row for each person.
//!
//! Owns `notifications`. Features name what happened by a code; the web app says it in the person's language.

pub mod routes;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::db::sql;
use crate::identity::UserId;
use crate::pg_enum;

pg_enum! {
    /// Type of a notification.
    NotificationType as NotificationTypeSql = "notification_type" {
        Info = "info",
        Success = "success",
        Warning = "warning",
        Error = "error",
    }
}

pg_enum! {
    /// Priority of a notification.
    NotificationPriority as NotificationPrioritySql = "notification_priority" {
        Low = "low",
        Normal = "normal",
        High = "high",
    }
}

/// A notification for one person.
#[derive(Debug, Clone, Serialize, ToSchema, QueryableByName)]
pub struct Notification {
    /// UUIDv7; the list is sorted by it, newest first.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[serde(rename = "type")]
    #[diesel(sql_type = NotificationTypeSql, column_name = "type")]
    pub kind: NotificationType,
    #[diesel(sql_type = NotificationPrioritySql)]
    pub priority: NotificationPriority,
    /// Stable code of the event, for translation.
    #[schema(example = "promotion_approved")]
    #[diesel(sql_type = Text)]
    pub code: String,
    /// Values for the translated text.
    #[schema(value_type = Object)]
    #[diesel(sql_type = Jsonb)]
    pub parameters: Value,
    /// English text.
    #[diesel(sql_type = Text)]
    pub title: String,
    /// English text.
    #[diesel(sql_type = Text)]
    pub message: String,
    /// Path of the related page in the web app.
    #[schema(required, example = "/bills/BILL-000001")]
    #[diesel(sql_type = Nullable<Text>)]
    pub link: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[schema(required)]
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub read_at: Option<DateTime<Utc>>,
}

/// A notification to be.
#[derive(Debug, Clone)]
pub struct NewNotification {
    pub kind: NotificationType,
    pub priority: NotificationPriority,
    pub code: &'static str,
    pub parameters: Value,
    pub title: String,
    pub message: String,
    pub link: Option<String>,
}

/// Tells several people the same, in the transaction that `conn` is in.
///
/// # Errors
/// When the database can't be written.
pub async fn notify(conn: &mut AsyncPgConnection, people: &[UserId], new: &NewNotification) -> QueryResult<()> {
    let ids: Vec<Uuid> = people.iter().map(|_| Uuid::now_v7()).collect();
    sql("INSERT INTO notifications (id, user_id, type, priority, code, parameters, title, message, link) \
         SELECT n.id, n.user_id, $3::text::notification_type, $4::text::notification_priority, $5, $6, $7, $8, $9 \
         FROM unnest($1, $2) AS n (id, user_id)")
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<BigInt>, _>(people.iter().map(|person| person.0).collect::<Vec<_>>())
    .bind::<Text, _>(new.kind.as_str())
    .bind::<Text, _>(new.priority.as_str())
    .bind::<Text, _>(new.code)
    .bind::<Jsonb, _>(new.parameters.clone())
    .bind::<Text, _>(new.title.clone())
    .bind::<Text, _>(new.message.clone())
    .bind::<Nullable<Text>, _>(new.link.clone())
    .execute_on(conn)
    .await?;
    Ok(())
}
