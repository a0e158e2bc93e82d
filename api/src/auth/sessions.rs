//! Sessions: one family of refresh tokens each. Only the newest token of a family is good; an older one that
//! comes back was stolen, or its thief was here first, so the family ends.

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{self, HeaderName};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::config::{Config, CookieSameSite};
use crate::db::schema::sessions;
use crate::http::client::Client;
use crate::users::model::UserId;

/// Name of the cookie that holds the refresh token.
pub const COOKIE: &str = "tt_refresh";
/// The calls that read the cookie are below this path.
const COOKIE_PATH: &str = "/api/v1/auth";

/// A refresh token: the session it belongs to and a secret known only to its holder.
#[derive(Debug, Clone)]
pub struct RefreshToken {
    pub session_id: Uuid,
    secret: [u8; 32],
}

impl RefreshToken {
    fn new(session_id: Uuid) -> Self {
        Self { session_id, secret: std::array::from_fn(|_| rand::random()) }
    }

    /// Reads what [`RefreshToken::encode`] wrote; `None` for anything else.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (id, secret) = bytes.split_at_checked(16)?;
        Some(Self { session_id: Uuid::from_slice(id).ok()?, secret: secret.try_into().ok()? })
    }

    /// The token as text.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.session_id.as_bytes().as_slice(), &self.secret].concat())
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// The header that sets the cookie with the token: it goes only to the sign-in calls, never to scripts.
    pub fn cookie(&self, config: &Config) -> (HeaderName, String) {
        set_cookie(self.encode(), CookieDuration::seconds(config.session_max_seconds), config)
    }
}

/// The header that removes the refresh token.
pub fn removal_cookie(config: &Config) -> (HeaderName, String) {
    set_cookie(String::new(), CookieDuration::ZERO, config)
}

fn set_cookie(value: String, max_age: CookieDuration, config: &Config) -> (HeaderName, String) {
    let path = format!("{}{COOKIE_PATH}", config.base_path);
    // Browsers keep back cookies of other sites, except those that are another one on every site (CHIPS).
    let (same_site, partitioned) = match config.cookie_same_site {
        CookieSameSite::Strict => (SameSite::Strict, ""),
        CookieSameSite::Lax => (SameSite::Lax, ""),
        CookieSameSite::None => (SameSite::None, "; Partitioned"),
    };
    let cookie = Cookie::build(COOKIE, value).path(path).http_only(true).secure(config.cookie_secure).same_site(same_site).max_age(max_age);
    (header::SET_COOKIE, format!("{}{partitioned}", cookie.finish()))
}

/// Starts a session.
///
/// # Errors
/// When the database can't be written.
pub async fn start(conn: &mut AsyncPgConnection, user: UserId, client: &Client, config: &Config) -> QueryResult<RefreshToken> {
    let token = RefreshToken::new(Uuid::now_v7());
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

/// What came of a refresh token.
pub enum Rotation {
    /// It was good; here is its successor.
    Rotated { token: RefreshToken, user: UserId },
    /// It had been used before: the session is ended now.
    Reused { user: UserId },
    /// The session does not exist, has ended or has been idle too long.
    Ended,
}

/// Exchanges a refresh token for its successor. The row stays locked until the transaction ends, so that of
/// two that come at once only one is good.
///
/// # Errors
/// When the database can't be read or written.
pub async fn rotate(conn: &mut AsyncPgConnection, token: &RefreshToken, config: &Config) -> QueryResult<Rotation> {
    type Row = (i64, Vec<u8>, DateTime<Utc>, DateTime<Utc>, Option<DateTime<Utc>>);
    let row: Option<Row> = sessions::table
        .find(token.session_id)
        .select((sessions::user_id, sessions::token_hash, sessions::idle_expires_at, sessions::expires_at, sessions::revoked_at))
        .for_update()
        .first(conn)
        .await
        .optional()?;
    let now = Utc::now();
    let Some((user, hash, idle_expires_at, expires_at, revoked_at)) = row else { return Ok(Rotation::Ended) };
    if revoked_at.is_some() || idle_expires_at <= now || expires_at <= now {
        return Ok(Rotation::Ended);
    }
    if !bool::from(hash.ct_eq(&token.hash())) {
        revoke(conn, token.session_id, "refresh token used twice").await?;
        return Ok(Rotation::Reused { user: UserId(user) });
    }
    let successor = RefreshToken::new(token.session_id);
    diesel::update(sessions::table.find(token.session_id))
        .set((
            sessions::token_hash.eq(successor.hash().to_vec()),
            sessions::last_used_at.eq(now),
            sessions::idle_expires_at.eq(now + TimeDelta::seconds(config.session_idle_seconds)),
        ))
        .execute(conn)
        .await?;
    Ok(Rotation::Rotated { token: successor, user: UserId(user) })
}

/// Whose session this token belongs to, when it is the newest token of a live session.
///
/// # Errors
/// When the database can't be read.
pub async fn owner(conn: &mut AsyncPgConnection, token: &RefreshToken) -> QueryResult<Option<UserId>> {
    let row: Option<(i64, Vec<u8>)> = sessions::table
        .find(token.session_id)
        .filter(sessions::revoked_at.is_null())
        .select((sessions::user_id, sessions::token_hash))
        .first(conn)
        .await
        .optional()?;
    Ok(row.filter(|(_, hash)| bool::from(hash.ct_eq(&token.hash()))).map(|(user, _)| UserId(user)))
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
