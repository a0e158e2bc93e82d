//! Sessions and API keys that have ended while what proves them is still good, held in memory so that checking
//! costs nothing.
//!
//! Other processes are told over Redis at once. The database is the truth: it is polled, so a message that was lost
//! costs seconds, not safety.

use std::collections::HashMap;
use std::sync::RwLock;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::StreamExt;
use uuid::Uuid;

use crate::db::Pool;
use crate::db::schema::sessions;
use crate::redis::Redis;

/// How often the sessions that other processes ended are looked up.
pub const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Redis is tried again after this when it was away.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(1);
const CHANNEL: &str = "traitortrack:revoked";

/// What can be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Revoked {
    Session(Uuid),
    ApiKey(i64),
}

impl Revoked {
    fn encode(self) -> String {
        match self {
            Self::Session(id) => format!("session:{id}"),
            Self::ApiKey(id) => format!("api_key:{id}"),
        }
    }

    fn decode(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("session", id) => id.parse().ok().map(Self::Session),
            ("api_key", id) => id.parse().ok().map(Self::ApiKey),
            _ => None,
        }
    }
}

/// The revoked sessions whose access tokens have not all expired yet, and keys revoked not long ago.
pub struct Revocations {
    revoked: RwLock<HashMap<Revoked, Instant>>,
    keep: Duration,
    redis: Option<Redis>,
}

impl Revocations {
    /// Remembers a session for as long as its last access token could live.
    pub fn new(access_token_seconds: i64, redis: Option<Redis>) -> Self {
        Self { revoked: RwLock::default(), keep: Duration::from_secs(access_token_seconds.unsigned_abs() + 60), redis }
    }

    /// Has this session ended?
    pub fn is_revoked(&self, session: Uuid) -> bool {
        self.is_known(Revoked::Session(session))
    }

    /// Was this key revoked within the last minutes? Older ones are no longer cached anywhere.
    pub fn is_api_key_revoked(&self, id: i64) -> bool {
        self.is_known(Revoked::ApiKey(id))
    }

    /// Notes sessions that have ended, and tells the other processes.
    pub fn revoke(&self, ended: impl IntoIterator<Item = Uuid>) {
        let ended: Vec<Revoked> = ended.into_iter().map(Revoked::Session).collect();
        self.note(ended.iter().copied());
        self.announce(&ended);
    }

    /// Notes an API key that is good no more, and tells the other processes.
    pub fn revoke_api_key(&self, id: i64) {
        self.note([Revoked::ApiKey(id)]);
        self.announce(&[Revoked::ApiKey(id)]);
    }

    fn is_known(&self, what: Revoked) -> bool {
        self.revoked.read().expect("no panic while held").contains_key(&what)
    }

    fn note(&self, ended: impl IntoIterator<Item = Revoked>) {
        let forget_at = Instant::now() + self.keep;
        let mut revoked = self.revoked.write().expect("no panic while held");
        for what in ended {
            revoked.entry(what).or_insert(forget_at);
        }
    }

    fn announce(&self, ended: &[Revoked]) {
        let Some(redis) = self.redis.clone().filter(|_| !ended.is_empty()) else { return };
        let message = ended.iter().map(|what| what.encode()).collect::<Vec<_>>().join(" ");
        // One message, not a background task: the request does not wait for it, and if it is lost,
        // the other processes find the revocation in the database.
        tokio::spawn(async move { redis.publish(CHANNEL, &message).await });
    }

    fn forget_old(&self) {
        let now = Instant::now();
        self.revoked.write().expect("no panic while held").retain(|_, forget_at| *forget_at > now);
    }

    /// Reads what this and other processes revoked.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn refresh(&self, pool: &Pool) -> crate::error::Result<()> {
        let mut conn = pool.get().await?;
        let since = chrono::Utc::now() - self.keep;
        let ended: Vec<Uuid> = sessions::table.filter(sessions::revoked_at.gt(since)).select(sessions::id).load(&mut conn).await?;
        self.note(ended.into_iter().map(Revoked::Session));
        self.forget_old();
        Ok(())
    }

    /// Receives the revocations of other processes over Redis, until the future is dropped.
    pub async fn listen(&self, redis: &Redis) -> ! {
        let mut is_away = false;
        loop {
            match redis.subscribe(CHANNEL).await {
                Ok(messages) => {
                    if std::mem::take(&mut is_away) {
                        tracing::info!("Redis is back");
                    }
                    let mut messages = std::pin::pin!(messages);
                    while let Some(message) = messages.next().await {
                        self.note(message.split(' ').filter_map(Revoked::decode));
                    }
                }
                Err(error) if !is_away => {
                    tracing::warn!(%error, "Redis is away; ended sessions are found in the database");
                    is_away = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(RECONNECT_INTERVAL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_as_it_was_written() {
        for what in [Revoked::Session(Uuid::now_v7()), Revoked::ApiKey(7)] {
            assert_eq!(Revoked::decode(&what.encode()), Some(what));
        }
        assert_eq!(Revoked::decode("bag:7"), None);
        assert_eq!(Revoked::decode("api_key:x"), None);
    }
}
