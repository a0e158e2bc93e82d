//! The log position that each caller's reads must include: in this process, and in Redis for all
//! processes.
//!
//! In addition to the positions of the callers there is the low watermark, which every read must
//! include. Whenever a position may have been lost or not shared (at a start, or after Redis was
//! unavailable or restarted empty), the low watermark advances to the primary's current position,
//! which is later than every lost one. While there is no low watermark, or Redis is configured but
//! unavailable, no caller's position is known, and reads without a token go to the primary.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use moka::ops::compute::Op;
use moka::sync::Cache;

use super::{Lsn, Pool, lsn};
use crate::error::Result;
use crate::redis::Redis;

const FLOOR: &str = "traitortrack:consistency:floor";
/// Interval between checks of Redis.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// After an outage, Redis must respond for this long before it is trusted: longer than another
/// process may still consider it unavailable.
const GRACE: Duration = Duration::from_secs(2);
/// A caller's position is stored for this long beyond the maximum lag of a replica that serves
/// reads. After that, every such replica has replayed it.
const KEEP_BEYOND_LAG: Duration = Duration::from_secs(60);

/// Positions by caller, and the low watermark.
pub struct Positions {
    /// `false` without replicas: no read needs a position then.
    is_used: bool,
    redis: Option<Redis>,
    here: Cache<String, Lsn>,
    keep: Duration,
    /// Whether Redis has the positions of all processes.
    is_shared: AtomicBool,
    /// The time since which Redis has responded without interruption.
    answers_since: Mutex<Option<Instant>>,
}

impl Positions {
    /// An empty tracker. `is_used` is `true` if there are replicas.
    pub fn new(is_used: bool, max_lag: Duration, redis: Option<Redis>) -> Self {
        let keep = max_lag + KEEP_BEYOND_LAG;
        Self {
            is_used,
            is_shared: AtomicBool::new(redis.is_none()),
            redis,
            here: Cache::builder().time_to_live(keep).build(),
            keep,
            answers_since: Mutex::default(),
        }
    }

    /// The position that a read of this caller must include: the caller's own writes and the
    /// position in the token. `None` if it is unknown; only the primary can serve the read then.
    pub async fn needed(&self, caller: &str, token: Option<Lsn>) -> Option<Lsn> {
        let caller = key_of(caller);
        let here = self.here.get(&caller).unwrap_or(Lsn::START);
        let least = here.max(token.unwrap_or(Lsn::START));
        match self.known(&caller).await {
            Some(known) => Some(known.max(least)),
            // A caller that sends a token requires nothing beyond it.
            None => token.map(|_| least),
        }
    }

    /// The position that all processes share: the caller's position or the low watermark, whichever
    /// is later.
    async fn known(&self, caller: &str) -> Option<Lsn> {
        let Some(redis) = &self.redis else { return self.here.get(FLOOR) };
        if !self.is_shared.load(Ordering::Acquire) {
            return None;
        }
        let Some([position, floor]) = redis.texts([caller, FLOOR]).await else {
            self.lose_redis();
            return None;
        };
        let floor = Lsn::from_sortable(&floor?)?;
        // Treat an unreadable position as unknown.
        position.map_or(Some(floor), |text| Some(Lsn::from_sortable(&text)?.max(floor)))
    }

    /// Makes the caller's later reads, in every process, include everything up to `position`.
    pub async fn remember(&self, caller: &str, position: Lsn) {
        self.raise(&key_of(caller), position).await;
    }

    /// Makes all later reads of all callers include the primary's current position. Call it before
    /// announcing a change that clients may then read.
    ///
    /// # Errors
    /// Fails if the primary can't be queried.
    pub async fn include_everything(&self, primary: &Pool) -> Result<()> {
        if self.is_used {
            let position = lsn::written(&mut *primary.get().await?).await?;
            self.raise(FLOOR, position).await;
        }
        Ok(())
    }

    async fn raise(&self, key: &str, position: Lsn) {
        self.here.entry_by_ref(key).and_compute_with(|known| match known {
            Some(known) if known.value() >= &position => Op::Nop,
            _ => Op::Put(position),
        });
        if let Some(redis) = &self.redis
            && !redis.raise(key, &position.sortable(), self.keep).await
        {
            self.lose_redis();
        }
    }

    fn lose_redis(&self) {
        *self.answers_since.lock().expect("no panic while held") = None;
        self.is_shared.store(false, Ordering::Release);
    }

    /// Returns `true` if there are replicas, so that the low watermark must be maintained.
    pub fn is_used(&self) -> bool {
        self.is_used
    }

    /// Checks Redis, and advances the low watermark where it must. `raised_at` is the time of the
    /// last advance by this process.
    ///
    /// # Errors
    /// Fails if the primary can't be queried; reads go to the primary then.
    pub async fn look(&self, primary: &Pool, raised_at: &mut Option<Instant>) -> Result<()> {
        // Renewed well before it expires.
        let is_lasting = raised_at.is_some_and(|raised_at| raised_at.elapsed() < self.keep / 2);
        let Some(redis) = &self.redis else {
            if !is_lasting {
                self.include_everything(primary).await?;
                *raised_at = Some(Instant::now());
            }
            return Ok(());
        };
        let Some([floor]) = redis.texts([FLOOR]).await else {
            self.lose_redis();
            return Ok(());
        };
        let since = *self.answers_since.lock().expect("no panic while held").get_or_insert_with(Instant::now);
        let was_shared = self.is_shared.load(Ordering::Acquire);
        if floor.is_some() && is_lasting && (was_shared || since.elapsed() < GRACE) {
            return Ok(());
        }
        self.include_everything(primary).await?;
        *raised_at = Some(Instant::now());
        // Redis may have become unavailable again in the meantime.
        let answers_since = self.answers_since.lock().expect("no panic while held");
        if answers_since.is_some_and(|since| since.elapsed() >= GRACE) {
            self.is_shared.store(true, Ordering::Release);
        }
        Ok(())
    }
}

fn key_of(caller: &str) -> String {
    format!("traitortrack:consistency:{caller}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_include_the_latest_of_floor_own_writes_and_token() {
        let positions = Positions::new(true, Duration::from_secs(1), None);
        assert_eq!(positions.needed("user:1", None).await, None, "writes before the start are still unknown");
        assert_eq!(positions.needed("user:1", Some(Lsn(5))).await, Some(Lsn(5)));
        positions.raise(FLOOR, Lsn(10)).await;
        assert_eq!(positions.needed("user:1", Some(Lsn(5))).await, Some(Lsn(10)));
        positions.remember("user:1", Lsn(30)).await;
        positions.remember("user:1", Lsn(20)).await;
        assert_eq!(positions.needed("user:1", None).await, Some(Lsn(30)));
        assert_eq!(positions.needed("user:2", None).await, Some(Lsn(10)));
        assert_eq!(positions.needed("user:2", Some(Lsn(40))).await, Some(Lsn(40)));
    }

    #[tokio::test]
    async fn while_redis_is_away_only_a_token_tells() {
        let positions = Positions::new(true, Duration::from_secs(1), Some(Redis::new("redis://127.0.0.1:1").unwrap()));
        positions.raise(FLOOR, Lsn(10)).await;
        positions.remember("user:1", Lsn(30)).await;
        assert_eq!(positions.needed("user:1", None).await, None);
        assert_eq!(positions.needed("user:1", Some(Lsn(20))).await, Some(Lsn(30)));
        assert_eq!(positions.needed("user:2", Some(Lsn(20))).await, Some(Lsn(20)));
    }
}
