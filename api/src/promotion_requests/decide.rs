//! Asking for a role, and granting or refusing it: request, role, audit and notifications in one transaction.

use diesel::prelude::QueryableByName;
use diesel::result::{DatabaseErrorKind, Error as DbError};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use uuid::Uuid;

use super::model::{PromotionRequest, PromotionStatus, SELECT};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::auth::{Caller, sessions};
use crate::db::sql;
use crate::db::transaction::Abort;
use crate::error::{Error, ErrorCode};
use crate::http::client::Client;
use crate::notifications::{NewNotification, NotificationPriority, NotificationType, notify};
use crate::users::model::{Role, UserId};

/// Asks for a role, in the transaction that `conn` is in; every active admin is told.
///
/// # Errors
/// 409 `promotion_pending` while an earlier one is undecided, `role_not_higher` for a role that one has or is above.
pub async fn ask(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, wanted: Role, reason: &str) -> Result<PromotionRequest, Abort> {
    if wanted <= caller.role {
        return Err(Error::refused(ErrorCode::RoleNotHigher, format!("You are {} already.", caller.role)).into());
    }
    let rows: Vec<Id> = sql("INSERT INTO promotion_requests (user_id, wanted_role, reason) VALUES ($1, $2::text::user_role, $3) RETURNING id")
        .bind::<BigInt, _>(caller.user_id)
        .bind::<Text, _>(wanted.as_str())
        .bind::<Text, _>(reason.to_owned())
        .load(conn)
        .await
        .map_err(pending)?;
    let id = rows.into_iter().next().map_or(0, |row| row.id);
    let request = find(conn, id).await?.ok_or_else(not_found)?;
    let admins: Vec<Id> = sql("SELECT id FROM users WHERE role = 'admin' AND is_active").load(conn).await?;
    let admins: Vec<UserId> = admins.into_iter().map(|row| UserId(row.id)).collect();
    let told = NewNotification {
        kind: NotificationType::Info,
        priority: NotificationPriority::Normal,
        code: "promotion_requested",
        parameters: json!({"username": caller.username, "wanted_role": wanted}),
        title: "Promotion request".into(),
        message: format!("{} would like to be {wanted}.", caller.username),
        link: Some("/promotion-requests".into()),
    };
    notify(conn, &admins, &told).await?;
    let entry = Entry::new(Action::PromotionRequested, Entity::PromotionRequest, id).after(json!({"wanted_role": wanted}));
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), vec![entry]).await?;
    Ok(request)
}

/// Grants or refuses a request, in the transaction that `conn` is in; who asked is told. Returns the sessions that a
/// new role has ended.
///
/// # Errors
/// 404 `promotion_request_not_found`; 409 `promotion_decided`, `own_role`.
pub async fn decide(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    client: &Client,
    id: i64,
    status: PromotionStatus,
    note: Option<&str>,
) -> Result<(PromotionRequest, Vec<Uuid>), Abort> {
    sql("SELECT id FROM promotion_requests WHERE id = $1 FOR UPDATE").bind::<BigInt, _>(id).execute_on(conn).await?;
    let request = find(conn, id).await?.ok_or_else(not_found)?;
    if request.status != PromotionStatus::Pending {
        return Err(Error::refused(ErrorCode::PromotionDecided, format!("This request was {} before.", request.status)).into());
    }
    if request.user_id == caller.user_id.0 {
        return Err(Error::refused(ErrorCode::OwnRole, "Nobody decides about their own role. Ask another admin.").into());
    }
    sql("UPDATE promotion_requests SET status = $2::text::promotion_status, note = $3, decided_by = $4, decided_at = now() WHERE id = $1")
        .bind::<BigInt, _>(id)
        .bind::<Text, _>(status.as_str())
        .bind::<Nullable<Text>, _>(note.map(str::to_owned))
        .bind::<BigInt, _>(caller.user_id)
        .execute_on(conn)
        .await?;
    let person = UserId(request.user_id);
    let is_approved = status == PromotionStatus::Approved;
    let action = if is_approved { Action::PromotionApproved } else { Action::PromotionRejected };
    let mut entries = vec![Entry::new(action, Entity::PromotionRequest, id).after(json!({"status": status, "note": note}))];
    let mut ended = Vec::new();
    if is_approved {
        sql("UPDATE users SET role = $2::text::user_role, version = version + 1 WHERE id = $1")
            .bind::<BigInt, _>(person)
            .bind::<Text, _>(request.wanted_role.as_str())
            .execute_on(conn)
            .await?;
        ended = sessions::revoke_all(conn, person, "role changed").await?;
        let changed = Entry::new(Action::RoleChanged, Entity::User, person);
        entries.push(changed.before(json!({"role": request.role})).after(json!({"role": request.wanted_role})));
    }
    let (code, kind) =
        if is_approved { ("promotion_approved", NotificationType::Success) } else { ("promotion_rejected", NotificationType::Warning) };
    let told = NewNotification {
        kind,
        priority: NotificationPriority::High,
        code,
        parameters: json!({"wanted_role": request.wanted_role, "note": note}),
        title: if is_approved { "You have a new role".into() } else { "Your request was not granted".into() },
        message: format!(
            "{} {} your request to be {}.{}",
            caller.username,
            status,
            request.wanted_role,
            note.map(|note| format!(" {note}")).unwrap_or_default()
        ),
        link: Some("/profile".into()),
    };
    notify(conn, &[person], &told).await?;
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), entries).await?;
    let request = find(conn, id).await?.ok_or_else(not_found)?;
    Ok((request, ended))
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

async fn find(conn: &mut AsyncPgConnection, id: i64) -> diesel::QueryResult<Option<PromotionRequest>> {
    let rows: Vec<PromotionRequest> = sql(SELECT).sql("WHERE r.id = $1").bind::<BigInt, _>(id).load(conn).await?;
    Ok(rows.into_iter().next())
}

fn pending(cause: DbError) -> Abort {
    match &cause {
        DbError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
            Error::refused(ErrorCode::PromotionPending, "Your earlier request is not decided yet. Wait for it.").into()
        }
        _ => cause.into(),
    }
}

/// The refusal for a request that does not exist.
pub fn not_found() -> Error {
    Error::refused(ErrorCode::PromotionRequestNotFound, "No promotion request has this id.")
}
