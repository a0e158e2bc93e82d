//! Limits that hold over all processes: counted in Redis, and in this process for when Redis is away.

use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::error::{Error, ErrorCode, Result};
use crate::redis::Redis;

/// A minute.
pub const MINUTE: Duration = Duration::from_secs(60);
/// An hour, the longest window there is.
pub const HOUR: Duration = Duration::from_secs(60 * 60);
/// Most windows kept in memory; the one not used for longest goes first.
const MAX_WINDOWS: u64 = 100_000;

/// How often something has happened in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub count: u64,
    /// Until the count starts anew.
    pub seconds_left: u64,
}

#[derive(Clone, Copy)]
struct Window {
    count: u64,
    ends_at: Instant,
}

/// Counters of events by key.
pub struct SharedLimits {
    redis: Option<Redis>,
    // Counted also while Redis is there: when it goes, or comes back empty, nobody gets a new budget.
    local: Cache<String, Window>,
}

impl SharedLimits {
    /// Counters that are shared when there is a Redis.
    pub fn new(redis: Option<Redis>) -> Self {
        let local = Cache::builder().max_capacity(MAX_WINDOWS).time_to_live(HOUR).eviction_policy(EvictionPolicy::lru()).build();
        Self { redis, local }
    }

    /// Counts one more event under `key` in a window that starts with the first.
    pub async fn count(&self, key: &str, window: Duration) -> Counted {
        let here = self.count_here(key, window);
        let Some(redis) = &self.redis else { return here };
        match redis.count_in_window(&format!("traitortrack:{key}"), window).await {
            Some((count, seconds_left)) if count >= here.count => Counted { count, seconds_left },
            _ => here,
        }
    }

    /// Counts one more event and refuses when that is one too many. `what` names the events in the refusal.
    ///
    /// # Errors
    /// 429 `rate_limited` with the time left.
    pub async fn check(&self, key: &str, limit: u32, window: Duration, what: &str) -> Result<()> {
        let counted = self.count(key, window).await;
        if counted.count <= u64::from(limit) {
            return Ok(());
        }
        let wait = match counted.seconds_left {
            seconds if seconds < 120 => format!("{seconds} seconds"),
            seconds => format!("{} minutes", seconds.div_ceil(60)),
        };
        Err(Error::refused(ErrorCode::RateLimited, format!("Too many {what}. Wait {wait} and try again.")).with_retry_after(counted.seconds_left))
    }

    /// Has this process counted `limit` events in the window that runs?
    pub fn is_spent_here(&self, key: &str, limit: u32) -> bool {
        self.local.get(key).is_some_and(|window| window.ends_at > Instant::now() && window.count >= u64::from(limit))
    }

    /// As [`Self::count`], in this process only.
    pub fn count_here(&self, key: &str, window: Duration) -> Counted {
        let now = Instant::now();
        let entry = self.local.entry_by_ref(key).and_upsert_with(|known| match known {
            Some(known) if known.value().ends_at > now => Window { count: known.value().count + 1, ..*known.value() },
            _ => Window { count: 1, ends_at: now + window },
        });
        let Window { count, ends_at } = entry.into_value();
        Counted { count, seconds_left: ends_at.saturating_duration_since(now).as_secs().max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_window_starts_with_the_first_event_and_ends() {
        let limits = SharedLimits::new(None);
        let window = Duration::from_millis(200);
        assert_eq!(limits.count("a", window).await.count, 1);
        assert_eq!(limits.count("a", window).await.count, 2);
        assert_eq!(limits.count("b", window).await.count, 1, "keys are counted apart");
        tokio::time::sleep(window).await;
        assert_eq!(limits.count("a", window).await.count, 1);
    }

    #[tokio::test]
    async fn one_too_many_is_refused_with_the_time_left() {
        let limits = SharedLimits::new(None);
        limits.check("a", 1, HOUR, "tries").await.unwrap();
        let refusal = limits.check("a", 1, HOUR, "tries").await.unwrap_err().into_refusal();
        assert_eq!(refusal.code, ErrorCode::RateLimited);
        assert!(refusal.detail.contains("60 minutes"), "{}", refusal.detail);
        assert!(refusal.retry_after_seconds.is_some_and(|seconds| (3590..=3600).contains(&seconds)));
    }
}
