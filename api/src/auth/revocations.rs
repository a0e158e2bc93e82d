//! Sessions that have ended while their access tokens are still young, held in memory so that checking costs nothing.

use std::collections::HashMap;
use std::sync::RwLock;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::Pool;
use crate::db::schema::sessions;

/// How often the sessions that other processes ended are looked up.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The revoked sessions whose access tokens have not all expired yet.
pub struct Revocations {
    sessions: RwLock<HashMap<Uuid, Instant>>,
    keep: Duration,
}

impl Revocations {
    /// Remembers a session for as long as its last access token could live.
    pub fn new(access_token_seconds: i64) -> Self {
        Self { sessions: RwLock::default(), keep: Duration::from_secs(access_token_seconds.unsigned_abs() + 60) }
    }

    /// Has this session ended?
    pub fn is_revoked(&self, session: Uuid) -> bool {
        self.sessions.read().expect("no panic while held").contains_key(&session)
    }

    /// Notes sessions that have ended.
    pub fn revoke(&self, ended: impl IntoIterator<Item = Uuid>) {
        let forget_at = Instant::now() + self.keep;
        let mut sessions = self.sessions.write().expect("no panic while held");
        for session in ended {
            sessions.entry(session).or_insert(forget_at);
        }
    }

    fn forget_old(&self) {
        let now = Instant::now();
        self.sessions.write().expect("no panic while held").retain(|_, forget_at| *forget_at > now);
    }

    /// Reads what this and other processes revoked.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn refresh(&self, pool: &Pool) -> crate::error::Result<()> {
        let mut conn = pool.get().await?;
        let since = chrono::Utc::now() - self.keep;
        let ended: Vec<Uuid> = sessions::table.filter(sessions::revoked_at.gt(since)).select(sessions::id).load(&mut conn).await?;
        self.revoke(ended);
        self.forget_old();
        Ok(())
    }

    /// Keeps reading until the task is aborted; while the database is away, what is known stays.
    pub async fn keep_fresh(&self, pool: Pool) {
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            if let Err(error) = self.refresh(&pool).await {
                tracing::warn!(%error, "could not read revoked sessions");
            }
        }
    }
}
