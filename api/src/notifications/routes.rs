//! One's own notifications over HTTP.

use actix_web::{HttpRequest, Responder, get, patch, web};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;
use validator::Validate;

use super::Notification;
use crate::consistency::Reads;
use crate::db::sql;
use crate::error::Result;
use crate::http::json::MergePatch;
use crate::http::page::{Limit, Page, Position};
use crate::http::query::Query;
use crate::http::responses::{Always, SignedIn, WithBody, WithQuery};
use crate::identity::Caller;
use crate::state::AppState;

/// Filters and paging of the list of notifications.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListNotificationsQuery {
    /// Only those (not) read.
    pub is_read: Option<bool>,
    /// Rows per page.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    pub limit: Limit,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// Marks notifications as read or unread.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ChangeNotificationsRequest {
    pub is_read: bool,
    /// Ids of the notifications; all if absent. Notifications of other people do not change.
    #[validate(length(min = 1, max = 500))]
    #[schema(required = false, nullable = false, min_items = 1, max_items = 500)]
    pub ids: Option<Vec<Uuid>>,
}

/// The number of changed and of unread notifications.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeNotificationsResponse {
    pub changed: i64,
    pub unread: i64,
}

/// List your notifications, newest first.
#[utoipa::path(
    operation_id = "list_notifications", tag = "notifications", params(ListNotificationsQuery),
    responses((status = 200, description = "One page of the caller's notifications", body = Page<Notification>), Always, SignedIn, WithQuery),
)]
#[get("/notifications")]
pub async fn list_notifications(caller: Caller, reads: Reads, req: HttpRequest, query: Query<ListNotificationsQuery>) -> Result<impl Responder> {
    let filters = format!("{} {:?}", caller.user_id, query.0.is_read);
    let position = Position::new("notifications", &filters);
    let before: Option<Uuid> = position.key(query.0.cursor.as_deref())?;
    let rows: Vec<Notification> = sql("SELECT id, type, priority, code, parameters, title, message, link, created_at, read_at FROM notifications \
         WHERE user_id = $1 AND id < $2 AND ($3 IS NULL OR (read_at IS NOT NULL) = $3) ORDER BY id DESC LIMIT $4")
    .bind::<BigInt, _>(caller.user_id)
    .bind::<SqlUuid, _>(before.unwrap_or(Uuid::max()))
    .bind::<Nullable<Bool>, _>(query.0.is_read)
    .bind::<BigInt, _>(query.0.limit.rows_to_read())
    .load(&mut *reads.get().await?)
    .await?;
    Ok(Page::new(rows, query.0.limit, &position, |row| row.id).into_response(&req))
}

/// Mark notifications as read or unread.
#[utoipa::path(
    operation_id = "change_notifications", tag = "notifications",
    request_body(content = ChangeNotificationsRequest, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Number of changed notifications", body = ChangeNotificationsResponse), Always, SignedIn, WithBody),
)]
#[patch("/notifications")]
pub async fn change_notifications(
    caller: Caller,
    state: web::Data<AppState>,
    body: MergePatch<ChangeNotificationsRequest>,
) -> Result<impl Responder> {
    #[derive(QueryableByName)]
    struct Counts {
        #[diesel(sql_type = BigInt)]
        changed: i64,
        #[diesel(sql_type = BigInt)]
        unread: i64,
    }
    let counts: Vec<Counts> = sql("WITH changed AS ( \
           UPDATE notifications SET read_at = CASE WHEN $2 THEN now() END \
           WHERE user_id = $1 AND (read_at IS NOT NULL) <> $2 AND ($3 IS NULL OR id = ANY($3)) RETURNING id) \
         SELECT (SELECT count(*) FROM changed) AS changed, \
                (SELECT count(*) FROM notifications WHERE user_id = $1 AND read_at IS NULL) \
                + CASE WHEN $2 THEN -1 ELSE 1 END * (SELECT count(*) FROM changed) AS unread")
    .bind::<BigInt, _>(caller.user_id)
    .bind::<Bool, _>(body.0.is_read)
    .bind::<Nullable<Array<SqlUuid>>, _>(body.0.ids)
    .load(&mut *state.pool.get().await?)
    .await?;
    let (changed, unread) = counts.into_iter().next().map_or((0, 0), |counts| (counts.changed, counts.unread));
    Ok(web::Json(ChangeNotificationsResponse { changed, unread }))
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list_notifications).service(change_notifications);
}
