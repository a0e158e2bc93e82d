//! Changing, unlocking and deleting people. Whatever takes a right away ends the sessions that had it.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use uuid::Uuid;

use super::model::{User, UserRow};
use super::queries;
use super::routes::{is_reserved, name_taken, reserved};
use crate::access::{attempts, sessions};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::db::schema::users;
use crate::db::sql;
use crate::db::transaction::Abort;
use crate::error::{Error, ErrorCode, FieldError, Result};
use crate::http::etag::IfMatch;
use crate::identity::Caller;
use crate::identity::client::Client;
use crate::identity::{Role, UserId};

/// What is to be different.
#[derive(Debug, Clone, Default)]
pub struct UserChanges {
    pub username: Option<String>,
    pub email: Option<Option<String>>,
    pub role: Option<Role>,
    /// Id of the new dispatch area.
    pub area_id: Option<Option<i32>>,
    pub is_active: Option<bool>,
}

/// A changed user, and the sessions that ended with the change.
pub struct Changed {
    pub user: User,
    pub ended: Vec<Uuid>,
}

/// Changes a user, in the transaction that `conn` is in. What is so already stays so, and its version too.
///
/// That an admin remains is a rule of the database (`users_last_admin_check`), which holds for
/// every writer.
///
/// # Errors
/// 404 `user_not_found`; 409 `last_admin`, `own_role`, `username_taken`, `email_taken`; 422 for a dispatcher without an
/// area and a new name that is reserved; 412 and 428 of [`IfMatch::check`].
pub async fn change(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    client: &Client,
    id: UserId,
    if_match: &IfMatch,
    changes: &UserChanges,
) -> Result<Changed, Abort> {
    let (before, before_area) = lock(conn, id).await?;
    if_match.check(before.version)?;
    let after = UserRow {
        username: changes.username.clone().unwrap_or_else(|| before.username.clone()),
        email: changes.email.clone().unwrap_or_else(|| before.email.clone()),
        role: changes.role.unwrap_or(before.role),
        dispatch_area_id: changes.area_id.unwrap_or(before.dispatch_area_id),
        is_active: changes.is_active.unwrap_or(before.is_active),
        ..before.clone()
    };
    if after.username != before.username && is_reserved(&after.username) {
        return Err(reserved().into());
    }
    if after.role != before.role && id == caller.user_id {
        return Err(Error::refused(ErrorCode::OwnRole, "You can't change your own role. Ask another admin.").into());
    }
    if after.role == Role::Dispatcher && after.dispatch_area_id.is_none() {
        return Err(Error::invalid(vec![FieldError::new("/dispatch_area", "missing_field", "A dispatcher needs a dispatch area.")]).into());
    }
    let stored = diesel::update(users::table.find(id.0))
        .set((
            users::username.eq(&after.username),
            users::email.eq(&after.email),
            users::role.eq(after.role),
            users::dispatch_area_id.eq(after.dispatch_area_id),
            users::is_active.eq(after.is_active),
            users::version.eq(users::version + 1),
        ))
        .returning(UserRow::as_returning());
    let fields = |row: &UserRow, area: &Option<String>| json!({"username": row.username, "email": row.email, "role": row.role, "dispatch_area": area, "is_active": row.is_active});
    let after_area = area_code(conn, after.dispatch_area_id).await?;
    let Some((old, new)) = audit::difference(&fields(&before, &before_area), &fields(&after, &after_area)) else {
        return Ok(Changed { user: User::from_row(before, before_area), ended: Vec::new() });
    };
    let row: UserRow = stored.get_result(conn).await.map_err(name_taken)?;
    // What an access token says of role and area would stay true until it expires.
    let loses_token = row.role != before.role || row.dispatch_area_id != before.dispatch_area_id || row.username != before.username || !row.is_active;
    let ended = if loses_token { sessions::revoke_all(conn, id, "account changed").await? } else { Vec::new() };
    let mut entries = vec![Entry::new(action(&before, &row), Entity::User, id).before(old).after(new)];
    if entries[0].action != Action::RoleChanged && row.role != before.role {
        entries.push(Entry::new(Action::RoleChanged, Entity::User, id).before(json!({"role": before.role})).after(json!({"role": row.role})));
    }
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), entries).await?;
    Ok(Changed { user: User::from_row(row, after_area), ended })
}

fn action(before: &UserRow, after: &UserRow) -> Action {
    match (before.is_active, after.is_active) {
        (true, false) => Action::UserDisabled,
        (false, true) => Action::UserEnabled,
        _ if before.role != after.role => Action::RoleChanged,
        _ => Action::UserChanged,
    }
}

/// Lets a locked account sign in again, in the transaction that `conn` is in.
///
/// # Errors
/// 404 `user_not_found`.
pub async fn unlock(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, id: UserId) -> Result<User, Abort> {
    let (before, area) = lock(conn, id).await?;
    attempts::clear(conn, id).await?;
    let entry = Entry::new(Action::UserUnlocked, Entity::User, id).before(json!({"locked_until": before.locked_until}));
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), vec![entry]).await?;
    Ok(User::from_row(UserRow { locked_until: None, ..before }, area))
}

/// Sets a person's password and ends their sessions, in the transaction that `conn` is in. With
/// `is_change_required` the person has to choose another at the next sign-in.
///
/// # Errors
/// 404 `user_not_found`.
pub async fn set_password(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    client: &Client,
    id: UserId,
    hash: String,
    is_change_required: bool,
) -> Result<Vec<Uuid>, Abort> {
    lock(conn, id).await?;
    queries::set_password(conn, id, hash, is_change_required).await?;
    attempts::clear(conn, id).await?;
    let ended = sessions::revoke_all(conn, id, "password set by an admin").await?;
    let entry = Entry::new(Action::PasswordSetByAdmin, Entity::User, id).after(json!({"sessions_ended": ended.len()}));
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), vec![entry]).await?;
    Ok(ended)
}

/// Deletes a user by anonymising, in the transaction that `conn` is in: the account ends. What the person did stays as the
/// work of `deleted-<id>` (GDPR, article 17). After the commit [`super::erasure::begin`] erases the names everywhere.
///
/// # Errors
/// 404 `user_not_found`; 409 `last_admin`; 412 and 428 of [`IfMatch::check`].
pub async fn delete(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, id: UserId, if_match: &IfMatch) -> Result<Vec<Uuid>, Abort> {
    let (before, _) = lock(conn, id).await?;
    if_match.check(before.version)?;
    let ended = sessions::revoke_all(conn, id, "account deleted").await?;
    attempts::clear(conn, id).await?;
    sql("SELECT anonymise_user($1)").bind::<BigInt, _>(id).execute_on(conn).await?;
    let entry = Entry::new(Action::UserDeleted, Entity::User, id).before(json!({"role": before.role}));
    let mut actor = Actor::person(caller.user_id, &caller.username, client);
    if caller.user_id == id {
        actor = Actor {
            id: Some(id),
            name: queries::find(conn, id).await?.map(|(row, _)| row.username),
            client: Client { request_id: client.request_id.clone(), ..Client::default() },
        };
    }
    audit::record(conn, &actor, vec![entry]).await?;
    Ok(ended)
}

async fn lock(conn: &mut AsyncPgConnection, id: UserId) -> Result<(UserRow, Option<String>), Abort> {
    sql("SELECT id FROM users WHERE id = $1 FOR UPDATE").bind::<BigInt, _>(id).execute_on(conn).await?;
    let found = queries::find(conn, id).await?.filter(|(row, _)| row.anonymised_at.is_none());
    found.ok_or_else(|| not_found().into())
}

async fn area_code(conn: &mut AsyncPgConnection, area_id: Option<i32>) -> QueryResult<Option<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        code: String,
    }
    let rows: Vec<Row> = sql("SELECT code FROM dispatch_areas WHERE id = $1")
        .bind::<diesel::sql_types::Nullable<diesel::sql_types::Integer>, _>(area_id)
        .load(conn)
        .await?;
    Ok(rows.into_iter().next().map(|row| row.code))
}

/// The refusal for a user that does not exist.
pub fn not_found() -> Error {
    Error::refused(ErrorCode::UserNotFound, "No user has this id.")
}
