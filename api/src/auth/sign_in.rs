//! Signing in with a password: lock-out, audit and session in one transaction.

use chrono::{TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::data_key::DataKey;
use super::password;
use super::refresh_token::RefreshToken;
use super::sessions;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::config::Config;
use crate::db::{Pool, transaction};
use crate::error::{Error, ErrorCode, Result};
use crate::http::client::Client;
use crate::users::model::{User, UserId, UserRow};
use crate::users::queries;

/// Someone who has just signed in.
pub struct SignedIn {
    pub user: User,
    pub area_id: Option<i32>,
    pub token: RefreshToken,
}

/// How far a right password leads.
pub enum Outcome {
    /// All the way.
    SignedIn(Box<SignedIn>),
    /// To the second factor: this person's challenge is to be answered with a code.
    SecondFactorNeeded { user: UserId, version: i64 },
}

/// Checks user name or e-mail address and password, and starts a session where no second factor is in use.
///
/// A wrong name and a wrong password look the same and take the same time.
///
/// # Errors
/// 401 `invalid_credentials`; 423 `account_locked` with the time left.
pub async fn sign_in(pool: &Pool, config: &Config, key: &DataKey, login: &str, password: String, client: &Client) -> Result<Outcome> {
    let found = queries::find_by_login(&mut *pool.get().await?, login).await?;
    // No connection is held while the password is hashed: that takes longer than all the SQL together.
    let active = found.filter(|(row, _)| row.is_active);
    if let Some((row, _)) = &active
        && let Some(until) = row.locked_until.filter(|until| *until > Utc::now())
    {
        record_alone(pool, Actor::person(row.id, &row.username, client), Entry::new(Action::SignInLocked, Entity::User, row.id)).await?;
        return Err(locked(until - Utc::now()));
    }
    let is_right = password::verify(password, active.as_ref().map(|(row, _)| row.password_hash.clone())).await?;
    let mut conn = pool.get().await?;
    match active {
        None => {
            let entry = Entry::new(Action::SignInFailed, Entity::User, "unknown").after(json!({"reason": "unknown_user"}));
            audit::record(&mut conn, &Actor::unknown(client), vec![entry]).await?;
            Err(invalid_credentials())
        }
        Some((row, _)) if !is_right => {
            note_wrong_password(&mut conn, config, &row, client).await?;
            Err(invalid_credentials())
        }
        Some((row, _)) if row.two_factor_enabled => Ok(Outcome::SecondFactorNeeded { user: row.id, version: row.version }),
        Some((row, area)) => {
            let (row, token) = start_session(&mut conn, config, key, row, client).await?;
            let area_id = row.dispatch_area_id;
            Ok(Outcome::SignedIn(Box::new(SignedIn { user: User::from_row(row, area), area_id, token })))
        }
    }
}

async fn start_session(
    conn: &mut AsyncPgConnection,
    config: &Config,
    key: &DataKey,
    row: UserRow,
    client: &Client,
) -> Result<(UserRow, RefreshToken)> {
    let actor = Actor::person(row.id, &row.username, client);
    let token = transaction(conn, async |conn| {
        queries::note_sign_in(conn, row.id).await?;
        let token = sessions::start(conn, key, row.id, client, config).await?;
        audit::record(conn, &actor, vec![Entry::new(Action::SignInOk, Entity::Session, token.session_id)]).await?;
        Ok(token)
    })
    .await?;
    Ok((UserRow { last_login_at: Some(Utc::now()), locked_until: None, ..row }, token))
}

async fn note_wrong_password(conn: &mut AsyncPgConnection, config: &Config, row: &UserRow, client: &Client) -> Result<()> {
    let actor = Actor::person(row.id, &row.username, client);
    transaction(conn, async |conn| {
        let lock_for = TimeDelta::seconds(config.lockout_seconds);
        let locked_until = queries::note_failed_sign_in(conn, row.id, config.lockout_attempts, lock_for).await?;
        let mut entries = vec![Entry::new(Action::SignInFailed, Entity::User, row.id).after(json!({"reason": "password"}))];
        if let Some(until) = locked_until {
            entries.push(Entry::new(Action::SignInLocked, Entity::User, row.id).after(json!({"locked_until": until})));
        }
        audit::record(conn, &actor, entries).await?;
        Ok(())
    })
    .await
}

async fn record_alone(pool: &Pool, actor: Actor, entry: Entry) -> Result<()> {
    audit::record(&mut *pool.get().await?, &actor, vec![entry]).await?;
    Ok(())
}

/// The refusal that tells nothing about which part was wrong.
pub fn invalid_credentials() -> Error {
    Error::refused(ErrorCode::InvalidCredentials, "User name or password is wrong.")
}

/// The refusal of a locked account.
pub fn locked(left: TimeDelta) -> Error {
    let seconds = left.num_seconds().max(0).unsigned_abs() + 1;
    Error::refused(
        ErrorCode::AccountLocked,
        format!("Too many wrong passwords or codes. Try again in {} minutes, or ask an admin to unlock the account.", seconds.div_ceil(60)),
    )
    .with_retry_after(seconds)
}
