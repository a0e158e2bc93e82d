//! What processes share and may lose. Every call has an answer for when Redis is away.

use std::time::Duration;

use anyhow::Context;
use deadpool_redis::redis::cmd;
use deadpool_redis::{Config as RedisConfig, Pool, Runtime};

/// A request must not wait long for something it can do without.
const TIMEOUT: Duration = Duration::from_millis(250);

/// Counts and expires in one step, so that no counter is ever left without an end.
const COUNT_IN_WINDOW: &str = "local n = redis.call('INCR', KEYS[1]) \
     if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end \
     return {n, redis.call('TTL', KEYS[1])}";

/// Connections to Redis.
#[derive(Clone)]
pub struct Redis {
    pool: Pool,
}

impl Redis {
    /// Prepares connections; none is opened yet, so a Redis that is away does not keep the server from starting.
    ///
    /// # Errors
    /// When the URL is malformed.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let pool = RedisConfig::from_url(url).create_pool(Some(Runtime::Tokio1)).context("REDIS_URL is not a Redis URL")?;
        Ok(Self { pool })
    }

    /// Does Redis answer?
    pub async fn ping(&self) -> bool {
        let ping = async {
            let mut conn = self.pool.get().await.ok()?;
            cmd("PING").query_async::<String>(&mut conn).await.ok()
        };
        matches!(tokio::time::timeout(TIMEOUT, ping).await, Ok(Some(_)))
    }

    /// Counts one more event under `key` in a window that starts with the first. Returns the count and the seconds
    /// until the window ends, or `None` when Redis is away.
    pub async fn count_in_window(&self, key: &str, window: Duration) -> Option<(u64, u64)> {
        let count = async {
            let mut conn = self.pool.get().await?;
            let (count, seconds): (u64, i64) = cmd("EVAL").arg(COUNT_IN_WINDOW).arg(1).arg(key).arg(window.as_secs()).query_async(&mut conn).await?;
            anyhow::Ok((count, seconds.max(1).unsigned_abs()))
        };
        match tokio::time::timeout(TIMEOUT, count).await {
            Ok(Ok(counted)) => Some(counted),
            Ok(Err(error)) => {
                tracing::warn!(%error, "Redis is away; counting in this process only");
                None
            }
            Err(_elapsed) => {
                tracing::warn!("Redis is slow; counting in this process only");
                None
            }
        }
    }
}
