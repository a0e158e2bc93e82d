//! Asking for a role, and granting or refusing it: request, role, audit and notifications in one transaction.

use diesel::prelude::QueryableByName;
use diesel::result::{DatabaseErrorKind, Error as DbError};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use uuid::Uuid;

use super::model::{PromotionRequest, PromotionStatus, SELECT};
use crate::access::sessions;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::db::sql;
use crate::db::transaction::Abort;
use crate::error::{Error, ErrorCode};
use crate::identity::Caller;
use crate::identity::client::Client;
use crate::identity::{Role, UserId};
use crate::notifications::{NewNotification, NotificationPriority, NotificationType, notify};

/// Asks for a role, in the transaction that `conn` is in; every active admin is told.
///
/// # Errors
/// 409 `promotion_pending` while an earlier one is undecided, `role_not_higher` for a role that one has or is above.
pub async fn ask(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, wanted: Role, reason: &str) -> Result<PromotionRequest, Abort> {
    if wanted <= caller.role {
        return Err(Error::refused(ErrorCode::RoleNotHigher, format!("You already have the role {}.", caller.role)).into());
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
        message: format!("{} requested the role {wanted}.", caller.username),
        link: Some("/promotion-requests".into()),
    };
    notify(conn, &admins, &told).await?;
    let entry = Entry::new(Action::PromotionRequested, Entity::PromotionRequest, id).after(json!({"wanted_role": wanted}));
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), vec![entry]).await?;
    Ok(request)
}

/// What became of a decision.
pub enum Outcome {
    /// The request as it is now, and the sessions that a new role has ended.
    Decided(Box<PromotionRequest>, Vec<Uuid>),
    /// The approval would not have raised the role: the request is closed, and this is the answer.
    Closed(Error),
}

/// Grants or refuses a request, in the transaction that `conn` is in, and notifies the person. It
/// is decided against the role that the person has at that moment, which is locked until the
/// transaction ends.
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
) -> Result<Outcome, Abort> {
    let request = lock(conn, id).await?;
    if request.status != PromotionStatus::Pending {
        return Err(Error::refused(ErrorCode::PromotionDecided, format!("This request was already {}.", request.status)).into());
    }
    if request.user_id == caller.user_id.0 {
        return Err(Error::refused(ErrorCode::OwnRole, "You can't decide about your own role. Ask another admin.").into());
    }
    if status == PromotionStatus::Approved && request.wanted_role <= request.role {
        return close(conn, caller, client, &request).await;
    }
    store(conn, caller, id, status, note, None).await?;
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
    notify(conn, &[person], &notification_of(caller, &request, status, note)).await?;
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), entries).await?;
    let request = find(conn, id).await?.ok_or_else(not_found)?;
    Ok(Outcome::Decided(Box::new(request), ended))
}

/// Closes a request whose approval would not raise the role. The person is not notified: they have
/// the role already.
async fn close(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, request: &PromotionRequest) -> Result<Outcome, Abort> {
    let code = ErrorCode::RoleNotHigher;
    store(conn, caller, request.id, PromotionStatus::Rejected, None, Some(code)).await?;
    let closed = json!({"status": PromotionStatus::Rejected, "closed_as": code.as_str(), "role": request.role});
    let entry = Entry::new(Action::PromotionRejected, Entity::PromotionRequest, request.id).after(closed);
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), vec![entry]).await?;
    let PromotionRequest { username, role, wanted_role, .. } = request;
    let detail = format!("{username} already has the role {role}, so {wanted_role} would not be a higher one. The request is closed.");
    Ok(Outcome::Closed(Error::refused(code, detail)))
}

async fn store(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    id: i64,
    status: PromotionStatus,
    note: Option<&str>,
    closed_as: Option<ErrorCode>,
) -> diesel::QueryResult<()> {
    sql("UPDATE promotion_requests SET status = $2::text::promotion_status, note = $3, closed_as = $4, decided_by = $5, decided_at = now() \
         WHERE id = $1")
    .bind::<BigInt, _>(id)
    .bind::<Text, _>(status.as_str())
    .bind::<Nullable<Text>, _>(note.map(str::to_owned))
    .bind::<Nullable<Text>, _>(closed_as.map(ErrorCode::as_str))
    .bind::<BigInt, _>(caller.user_id)
    .execute_on(conn)
    .await?;
    Ok(())
}

/// The notification for the person who asked.
fn notification_of(caller: &Caller, request: &PromotionRequest, status: PromotionStatus, note: Option<&str>) -> NewNotification {
    let (code, kind, title) = match status {
        PromotionStatus::Approved => ("promotion_approved", NotificationType::Success, "You have a new role"),
        _ => ("promotion_rejected", NotificationType::Warning, "Your request was rejected"),
    };
    let reason = note.map(|note| format!(" {note}")).unwrap_or_default();
    NewNotification {
        kind,
        priority: NotificationPriority::High,
        code,
        parameters: json!({"wanted_role": request.wanted_role, "note": note}),
        title: title.into(),
        message: format!("{} {status} your request to be {}.{reason}", caller.username, request.wanted_role),
        link: Some("/profile".into()),
    }
}

/// Locks a request and the role of its person. The person comes first, as where a person is
/// deleted, so that the two can't deadlock.
async fn lock(conn: &mut AsyncPgConnection, id: i64) -> Result<PromotionRequest, Abort> {
    let request = find(conn, id).await?.ok_or_else(not_found)?;
    sql("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE").bind::<BigInt, _>(request.user_id).execute_on(conn).await?;
    sql("SELECT FROM promotion_requests WHERE id = $1 FOR UPDATE").bind::<BigInt, _>(id).execute_on(conn).await?;
    Ok(find(conn, id).await?.ok_or_else(not_found)?)
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
            Error::refused(ErrorCode::PromotionPending, "Your previous request is still pending. Wait until an admin has reviewed it.").into()
        }
        _ => cause.into(),
    }
}

/// The refusal for a request that does not exist.
pub fn not_found() -> Error {
    Error::refused(ErrorCode::PromotionRequestNotFound, "No role request has this id.")
}
