//! Sessions: one family of refresh tokens each. Only the newest token of a family is exchanged. The one before it gets
//! the same successor again for a short time, because an answer may have been lost. Any older one was stolen, or its
//! thief came first, so the family ends.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::data_key::DataKey;
use super::refresh_token::{RefreshToken, Salt};
use crate::config::Config;
use crate::db::schema::sessions;
use crate::identity::UserId;
use crate::identity::client::Client;

/// Starts a session.
///
/// # Errors
/// When the database can't be written.
pub async fn start(conn: &mut AsyncPgConnection, key: &DataKey, user: UserId, client: &Client, config: &Config) -> QueryResult<RefreshToken> {
    let token = RefreshToken::new(key, Uuid::now_v7());
    let now = Utc::now();
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(token.session_id),
            sessions::user_id.eq(user.0),
            sessions::token_hash.eq(token.hash().to_vec()),
            sessions::user_agent.eq(&client.user_agent),
            sessions::ip.eq(&client.ip),
            sessions::created_at.eq(now),
            sessions::last_used_at.eq(now),
            sessions::idle_expires_at.eq(now + TimeDelta::seconds(config.session_idle_seconds)),
            sessions::expires_at.eq(now + TimeDelta::seconds(config.session_max_seconds)),
        ))
        .execute(conn)
        .await?;
    Ok(token)
}

/// The result of presenting a refresh token.
pub enum Rotation {
    /// It is accepted; here is its successor.
    Rotated { token: RefreshToken, user: UserId },
    /// It was exchanged before, too long ago or with its successor in use: the session has ended now.
    Reused { user: UserId },
    /// The session does not exist, has ended or has been idle too long, or the token is none of its tokens.
    Refused,
}

/// What a rotation reads of a session.
#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
struct Family {
    user_id: i64,
    token_hash: Vec<u8>,
    previous_token_hash: Option<Vec<u8>>,
    rotation_salt: Option<Vec<u8>>,
    rotated_at: Option<DateTime<Utc>>,
    idle_expires_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
}

impl Family {
    fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.idle_expires_at > now && self.expires_at > now
    }

    fn is_current(&self, token: &RefreshToken) -> bool {
        token.has_hash(&self.token_hash)
    }

    fn is_previous(&self, token: &RefreshToken) -> bool {
        self.previous_token_hash.as_deref().is_some_and(|hash| token.has_hash(hash))
    }

    /// Was this token issued for this session, now or earlier? The id of a session alone proves nothing.
    fn knows(&self, key: &DataKey, token: &RefreshToken) -> bool {
        self.is_current(token) || self.is_previous(token) || token.is_issued_here(key)
    }

    /// The successor that this token got before, while the grace lasts and the successor was not exchanged itself.
    fn successor_again(&self, key: &DataKey, token: &RefreshToken, grace: TimeDelta, now: DateTime<Utc>) -> Option<RefreshToken> {
        let salt: &Salt = self.rotation_salt.as_deref()?.try_into().ok()?;
        if !self.is_previous(token) || self.rotated_at? + grace <= now {
            return None;
        }
        Some(token.successor(key, salt)).filter(|successor| self.is_current(successor))
    }
}

/// Exchanges a refresh token for its successor. The row stays locked until the transaction ends, so of several that
/// come at once the first rotates and the others get the same successor.
///
/// # Errors
/// When the database can't be read or written.
pub async fn rotate(conn: &mut AsyncPgConnection, key: &DataKey, token: &RefreshToken, config: &Config) -> QueryResult<Rotation> {
    let row = sessions::table.find(token.session_id).select(Family::as_select()).for_update();
    let found = row.first(conn).await.optional()?;
    // The time after waiting for the lock: others may have rotated meanwhile.
    let now = Utc::now();
    let Some(family) = found.filter(|family| family.is_live(now)) else { return Ok(Rotation::Refused) };
    let user = UserId(family.user_id);
    if family.is_current(token) {
        let successor = replace(conn, key, token, config, now).await?;
        return Ok(Rotation::Rotated { token: successor, user });
    }
    if let Some(successor) = family.successor_again(key, token, TimeDelta::seconds(config.refresh_grace_seconds), now) {
        return Ok(Rotation::Rotated { token: successor, user });
    }
    if !family.knows(key, token) {
        return Ok(Rotation::Refused);
    }
    revoke(conn, token.session_id, "refresh token used twice").await?;
    Ok(Rotation::Reused { user })
}

/// Puts the successor of the current token in its place.
async fn replace(
    conn: &mut AsyncPgConnection,
    key: &DataKey,
    token: &RefreshToken,
    config: &Config,
    now: DateTime<Utc>,
) -> QueryResult<RefreshToken> {
    let salt: Salt = rand::random();
    let successor = token.successor(key, &salt);
    diesel::update(sessions::table.find(token.session_id))
        .set((
            sessions::token_hash.eq(successor.hash().to_vec()),
            sessions::previous_token_hash.eq(token.hash().to_vec()),
            sessions::rotation_salt.eq(salt.to_vec()),
            sessions::rotated_at.eq(now),
            sessions::last_used_at.eq(now),
            sessions::idle_expires_at.eq(now + TimeDelta::seconds(config.session_idle_seconds)),
        ))
        .execute(conn)
        .await?;
    Ok(successor)
}

/// The user whose session this token belongs to, now or earlier, if the session has not ended.
///
/// # Errors
/// When the database can't be read.
pub async fn owner(conn: &mut AsyncPgConnection, key: &DataKey, token: &RefreshToken) -> QueryResult<Option<UserId>> {
    let row = sessions::table.find(token.session_id).filter(sessions::revoked_at.is_null()).select(Family::as_select());
    let family = row.first(conn).await.optional()?.filter(|family| family.knows(key, token));
    Ok(family.map(|family| UserId(family.user_id)))
}

/// Ends one session.
///
/// # Errors
/// When the database can't be written.
pub async fn revoke(conn: &mut AsyncPgConnection, session: Uuid, reason: &str) -> QueryResult<()> {
    diesel::update(sessions::table.find(session).filter(sessions::revoked_at.is_null()))
        .set((sessions::revoked_at.eq(Utc::now()), sessions::revoked_reason.eq(reason)))
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends every session of a user and tells which.
///
/// # Errors
/// When the database can't be written.
pub async fn revoke_all(conn: &mut AsyncPgConnection, user: UserId, reason: &str) -> QueryResult<Vec<Uuid>> {
    diesel::update(sessions::table.filter(sessions::user_id.eq(user.0)).filter(sessions::revoked_at.is_null()))
        .set((sessions::revoked_at.eq(Utc::now()), sessions::revoked_reason.eq(reason)))
        .returning(sessions::id)
        .get_results(conn)
        .await
}

/// A session that still lives.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
pub struct LiveSession {
    pub id: Uuid,
    pub user_agent: Option<String>,
    pub ip: Option<String>,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// The sessions of a user that still live, the one used last first.
///
/// # Errors
/// When the database can't be read.
pub async fn list_live(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<Vec<LiveSession>> {
    let now = Utc::now();
    sessions::table
        .filter(sessions::user_id.eq(user.0))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::idle_expires_at.gt(now))
        .filter(sessions::expires_at.gt(now))
        .order(sessions::last_used_at.desc())
        .select(LiveSession::as_select())
        .load(conn)
        .await
}
