//! State that processes share and that may be lost. Every call has a fallback for when Redis is
//! unavailable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use deadpool_redis::redis::{Client, cmd};
use deadpool_redis::{Config as RedisConfig, Connection, Pool, Runtime};
use futures_util::{Stream, StreamExt};

/// A request must not wait long for optional data.
const TIMEOUT: Duration = Duration::from_millis(250);
/// Back-off after a failure, so that not every request waits for an unavailable Redis.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Increments and sets the expiry in one step, so that every counter expires.
const COUNT_IN_WINDOW: &str = "local n = redis.call('INCR', KEYS[1]) \
     if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end \
     return {n, redis.call('TTL', KEYS[1])}";

/// Stores the larger of two texts in one step. A smaller text does not extend the lifetime of the
/// stored one.
const RAISE: &str = "local known = redis.call('GET', KEYS[1]) \
     if not known or known < ARGV[1] then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end \
     return 1";

/// Connections to Redis.
#[derive(Clone)]
pub struct Redis {
    pool: Pool,
    client: Client,
    started: Instant,
    /// Milliseconds after `started`. Until then, no call contacts Redis.
    paused_until: Arc<AtomicU64>,
}

impl Redis {
    /// Creates the pool without opening a connection, so that an unavailable Redis does not prevent
    /// the server from starting.
    ///
    /// # Errors
    /// Fails if the URL is malformed.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let pool = RedisConfig::from_url(url).create_pool(Some(Runtime::Tokio1)).context("REDIS_URL is not a Redis URL")?;
        let client = Client::open(url).context("REDIS_URL is not a Redis URL")?;
        Ok(Self { pool, client, started: Instant::now(), paused_until: Arc::default() })
    }

    /// Whether Redis responds.
    pub async fn ping(&self) -> bool {
        let ping = async {
            let mut conn = self.pool.get().await.ok()?;
            cmd("PING").query_async::<String>(&mut conn).await.ok()
        };
        matches!(tokio::time::timeout(TIMEOUT, ping).await, Ok(Some(_)))
    }

    /// Counts an event under `key` in a window that starts with the first event. Returns the count
    /// and the seconds until the window ends, or `None` if Redis is unavailable.
    pub async fn count_in_window(&self, key: &str, window: Duration) -> Option<(u64, u64)> {
        self.attempt(async |conn| {
            let (count, seconds): (u64, i64) = cmd("EVAL").arg(COUNT_IN_WINDOW).arg(1).arg(key).arg(window.as_secs()).query_async(conn).await?;
            Ok((count, seconds.max(1).unsigned_abs()))
        })
        .await
    }

    /// Reads the numbers under some keys in one round trip. `None` if Redis is unavailable.
    pub async fn get_numbers<const N: usize>(&self, keys: [String; N]) -> Option<[Option<u64>; N]> {
        self.attempt(async |conn| {
            let numbers: Vec<Option<u64>> = cmd("MGET").arg(&keys).query_async(conn).await?;
            numbers.try_into().map_err(|_| anyhow::anyhow!("Redis returned a different number of values than keys"))
        })
        .await
    }

    /// Stores a number under a key for `lifetime`. Returns whether Redis stored it.
    pub async fn set_number(&self, key: &str, number: u64, lifetime: Duration) -> bool {
        let milliseconds = millis(lifetime).max(1);
        let set = async |conn: &mut Connection| Ok(cmd("SET").arg(key).arg(number).arg("PX").arg(milliseconds).query_async::<()>(conn).await?);
        self.attempt(set).await.is_some()
    }

    /// Stores text under a key for `lifetime`, unless the stored text sorts after it. Returns
    /// whether Redis was available.
    pub async fn raise(&self, key: &str, text: &str, lifetime: Duration) -> bool {
        let milliseconds = millis(lifetime).max(1);
        let raised =
            self.attempt(async |conn| Ok(cmd("EVAL").arg(RAISE).arg(1).arg(key).arg(text).arg(milliseconds).query_async::<i64>(conn).await?));
        raised.await.is_some()
    }

    /// Reads the texts under some keys atomically. `None` if Redis is unavailable.
    pub async fn texts<const N: usize>(&self, keys: [&str; N]) -> Option<[Option<String>; N]> {
        let texts = self.attempt(async |conn| Ok(cmd("MGET").arg(&keys).query_async::<Vec<Option<String>>>(conn).await?)).await?;
        texts.try_into().ok()
    }

    /// Publishes a message to the current subscribers. Delivery is not guaranteed, so subscribers
    /// must be able to get the information elsewhere too.
    pub async fn publish(&self, channel: &str, message: &str) {
        let _away = self.attempt(async |conn| Ok(cmd("PUBLISH").arg(channel).arg(message).query_async::<()>(conn).await?)).await;
    }

    /// Subscribes to a channel. The stream ends when the connection ends.
    ///
    /// # Errors
    /// Fails if Redis can't be reached.
    pub async fn subscribe(&self, channel: &str) -> anyhow::Result<impl Stream<Item = String> + use<>> {
        let mut subscription = self.client.get_async_pubsub().await?;
        subscription.subscribe(channel).await?;
        Ok(subscription.into_on_message().filter_map(async |message| message.get_payload().ok()))
    }

    async fn attempt<T>(&self, work: impl AsyncFnOnce(&mut Connection) -> anyhow::Result<T>) -> Option<T> {
        if self.now() < self.paused_until.load(Ordering::Relaxed) {
            return None;
        }
        let attempt = async { work(&mut self.pool.get().await?).await };
        let failure = match tokio::time::timeout(TIMEOUT, attempt).await {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => error,
            Err(elapsed) => elapsed.into(),
        };
        tracing::warn!(error = %failure, "Redis is unavailable; this process continues without it");
        self.paused_until.store(self.now() + millis(BACK_OFF), Ordering::Relaxed);
        None
    }

    fn now(&self) -> u64 {
        millis(self.started.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
