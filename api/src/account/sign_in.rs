//! Signing in with a password: limits, audit and session.

use diesel_async::AsyncPgConnection;

use super::failed_attempt::FailedAttempt;
use crate::access::attempts::{self, Attempt};
use crate::access::data_key::DataKey;
use crate::access::known_device::KnownDevice;
use crate::access::refresh_token::RefreshToken;
use crate::access::{password, sessions};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::db::transaction;
use crate::error::{Error, ErrorCode, Result};
use crate::identity::UserId;
use crate::identity::client::Client;
use crate::state::AppState;
use crate::users::model::{User, UserRow};
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

/// Checks user name or e-mail address and password, and starts a session where no second factor is
/// in use.
///
/// A wrong name and a wrong password look the same and take the same time, with and without a
/// block. A block refuses right passwords too, except on a known device and for people with a
/// second factor, whose code is checked next.
///
/// # Errors
/// 401 `invalid_credentials`; 423 `account_locked` and 429 `rate_limited` with the time left.
pub async fn sign_in(state: &AppState, login: &str, password: String, client: &Client, device: Option<&KnownDevice>) -> Result<Outcome> {
    let mut conn = state.pool.get().await?;
    let found = queries::find_by_login(&mut conn, login).await?.filter(|(row, _)| row.is_active);
    let account = found.as_ref().map(|(row, _)| row.id);
    let device = account.and_then(|user| device.cloned()?.known_to(user));
    let attempt = Attempt::at_password(login, account, client, device.as_ref());
    let blocks = attempt.blocks(&mut conn).await?;
    if let Some(refusal) = blocks.refusal().filter(|_| blocks.is_exhausted(&state.config)) {
        return Err(refusal.into());
    }
    // No connection is held while the password is hashed: that takes longer than all the SQL
    // together.
    drop(conn);
    let is_right = password::verify(password, found.as_ref().map(|(row, _)| row.password_hash.clone())).await?;
    let mut conn = state.pool.get().await?;
    let entering = match found {
        Some((row, _)) if is_right && may_enter(&mut conn, state, &attempt, &row, client).await? => Some(row),
        _ => None,
    };
    let Some(row) = entering else {
        return Err(refuse(&mut conn, state, &attempt, account, client).await?);
    };
    if row.two_factor_enabled {
        refuse_blocked_code(&mut conn, row.id, client, device.as_ref()).await?;
        return Ok(Outcome::SecondFactorNeeded { user: row.id, version: row.version });
    }
    Ok(Outcome::SignedIn(Box::new(start_session(&mut conn, state, &attempt, &row, client).await?)))
}

/// Decides whether a right password is accepted, by the blocks of this moment: while it was hashed,
/// guesses in parallel may have used the limit up.
async fn may_enter(conn: &mut AsyncPgConnection, state: &AppState, attempt: &Attempt, row: &UserRow, client: &Client) -> Result<bool> {
    let blocks = attempt.blocks(conn).await?;
    if blocks.is_free() || (row.two_factor_enabled && !blocks.is_exhausted(&state.config)) {
        return Ok(true);
    }
    Ok(blocks.spares_known_addresses(&state.config) && attempts::is_known_address(conn, row.id, client).await?)
}

async fn refuse(conn: &mut AsyncPgConnection, state: &AppState, attempt: &Attempt, account: Option<UserId>, client: &Client) -> Result<Error> {
    let actor = Actor::unknown(client);
    let reason = if account.is_some() { "password" } else { "unknown_user" };
    transaction(conn, async |conn| {
        let failed = FailedAttempt { attempt, actor: &actor, user: account, reason };
        Ok(failed.record(conn, &state.config, invalid_credentials()).await?)
    })
    .await
}

/// Where too many codes were wrong, the right one would be refused too: better said before it is
/// typed.
async fn refuse_blocked_code(conn: &mut AsyncPgConnection, user: UserId, client: &Client, device: Option<&KnownDevice>) -> Result<()> {
    let blocks = Attempt::at_code(user, client, device).blocks(conn).await?;
    match blocks.refusal().filter(|_| blocks.is_own()) {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}

async fn start_session(conn: &mut AsyncPgConnection, state: &AppState, attempt: &Attempt, row: &UserRow, client: &Client) -> Result<SignedIn> {
    let actor = Actor::person(row.id, &row.username, client);
    let (token, (row, area)) = transaction(conn, async |conn| {
        attempt.succeed(conn).await?;
        queries::note_sign_in(conn, row.id).await?;
        let token = sessions::start(conn, state.part::<DataKey>(), row.id, client, &state.config).await?;
        audit::record(conn, &actor, vec![Entry::new(Action::SignInOk, Entity::Session, token.session_id)]).await?;
        let found = queries::find(conn, row.id).await?.ok_or_else(invalid_credentials)?;
        Ok((token, found))
    })
    .await?;
    Ok(SignedIn { area_id: row.dispatch_area_id, user: User::from_row(row, area), token })
}

/// The refusal that tells nothing about which part was wrong.
pub fn invalid_credentials() -> Error {
    Error::refused(ErrorCode::InvalidCredentials, "Incorrect username or password. Try again.")
}
