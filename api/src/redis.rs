//! What processes share and may lose. Every call has an answer for when Redis is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use deadpool_redis::redis::{Client, cmd};
use deadpool_redis::{Config as RedisConfig, Connection, Pool, Runtime};
use futures_util::{Stream, StreamExt};

/// A request must not wait long for something it can do without.
const TIMEOUT: Duration = Duration::from_millis(250);
/// After a failure Redis is left alone for this long, so that requests don't each wait for one that is away.
const REST: Duration = Duration::from_secs(1);

/// Counts and expires in one step, so that no counter is ever left without an end.
const COUNT_IN_WINDOW: &str = "local n = redis.call('INCR', KEYS[1]) \
     if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end \
     return {n, redis.call('TTL', KEYS[1])}";

/// Keeps the larger of two texts, in one step. A smaller one does not lengthen the life of what is there.
const RAISE: &str = "local known = redis.call('GET', KEYS[1]) \
     if not known or known < ARGV[1] then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end \
     return 1";

/// Connections to Redis.
#[derive(Clone)]
pub struct Redis {
    pool: Pool,
    client: Client,
    started: Instant,
    /// Milliseconds after `started`; before that nothing is tried.
    rests_until: Arc<AtomicU64>,
}

impl Redis {
    /// Prepares connections; none is opened yet, so a Redis that is away does not keep the server from starting.
    ///
    /// # Errors
    /// When the URL is malformed.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let pool = RedisConfig::from_url(url).create_pool(Some(Runtime::Tokio1)).context("REDIS_URL is not a Redis URL")?;
        let client = Client::open(url).context("REDIS_URL is not a Redis URL")?;
        Ok(Self { pool, client, started: Instant::now(), rests_until: Arc::default() })
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
        self.attempt(async |conn| {
            let (count, seconds): (u64, i64) = cmd("EVAL").arg(COUNT_IN_WINDOW).arg(1).arg(key).arg(window.as_secs()).query_async(conn).await?;
            Ok((count, seconds.max(1).unsigned_abs()))
        })
        .await
    }

    /// The numbers under some keys, in one round trip; `None` when Redis is away.
    pub async fn get_numbers<const N: usize>(&self, keys: [String; N]) -> Option<[Option<u64>; N]> {
        self.attempt(async |conn| {
            let numbers: Vec<Option<u64>> = cmd("MGET").arg(&keys).query_async(conn).await?;
            numbers.try_into().map_err(|_| anyhow::anyhow!("Redis returned another number of values than of keys"))
        })
        .await
    }

    /// Keeps a number under a key for a while. Is it there now?
    pub async fn set_number(&self, key: &str, number: u64, lifetime: Duration) -> bool {
        let milliseconds = millis(lifetime).max(1);
        let set = async |conn: &mut Connection| Ok(cmd("SET").arg(key).arg(number).arg("PX").arg(milliseconds).query_async::<()>(conn).await?);
        self.attempt(set).await.is_some()
    }

    /// Keeps text under a key for a while unless text that sorts after it is there. Returns whether Redis was there.
    pub async fn raise(&self, key: &str, text: &str, lifetime: Duration) -> bool {
        let milliseconds = millis(lifetime).max(1);
        let raised =
            self.attempt(async |conn| Ok(cmd("EVAL").arg(RAISE).arg(1).arg(key).arg(text).arg(milliseconds).query_async::<i64>(conn).await?));
        raised.await.is_some()
    }

    /// The texts under keys, of one moment; `None` when Redis is away.
    pub async fn texts<const N: usize>(&self, keys: [&str; N]) -> Option<[Option<String>; N]> {
        let texts = self.attempt(async |conn| Ok(cmd("MGET").arg(&keys).query_async::<Vec<Option<String>>>(conn).await?)).await?;
        texts.try_into().ok()
    }

    /// Sends a message to whoever listens now. Nobody may count on it: what it tells must be found elsewhere too.
    pub async fn publish(&self, channel: &str, message: &str) {
        let _away = self.attempt(async |conn| Ok(cmd("PUBLISH").arg(channel).arg(message).query_async::<()>(conn).await?)).await;
    }

    /// The messages of a channel from now on; the stream ends when the connection does.
    ///
    /// # Errors
    /// When Redis can't be reached.
    pub async fn subscribe(&self, channel: &str) -> anyhow::Result<impl Stream<Item = String> + use<>> {
        let mut subscription = self.client.get_async_pubsub().await?;
        subscription.subscribe(channel).await?;
        Ok(subscription.into_on_message().filter_map(async |message| message.get_payload().ok()))
    }

    async fn attempt<T>(&self, work: impl AsyncFnOnce(&mut Connection) -> anyhow::Result<T>) -> Option<T> {
        if self.now() < self.rests_until.load(Ordering::Relaxed) {
            return None;
        }
        let attempt = async { work(&mut self.pool.get().await?).await };
        let failure = match tokio::time::timeout(TIMEOUT, attempt).await {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => error,
            Err(elapsed) => elapsed.into(),
        };
        tracing::warn!(error = %failure, "Redis is away; this process goes on alone");
        self.rests_until.store(self.now() + millis(REST), Ordering::Relaxed);
        None
    }

    fn now(&self) -> u64 {
        millis(self.started.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
