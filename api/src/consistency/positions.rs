//! How far each caller's reads must reach: in this process, and in Redis for all of them.
//!
//! Beside the callers' positions there is the floor, which everybody's reads must reach. Whenever something may have been
//! forgotten or not been told (a start, a Redis that was away or came back empty) it is raised to where the primary is by
//! then, which is after all of that. While there is no floor, or no Redis although one is configured, nobody's position is
//! known, and reads without a token go to the primary.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::db::{Lsn, Pool, lsn};
use crate::error::Result;
use crate::redis::Redis;

const FLOOR: &str = "traitortrack:consistency:floor";
/// Redis is looked at this often.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// After Redis was away it must have answered for this long: longer than another process may go on taking it to be away.
const GRACE: Duration = Duration::from_secs(2);
/// What a caller wrote is remembered this long beyond the greatest lag of a replica that gets reads; later all have it.
const KEEP_BEYOND_LAG: Duration = Duration::from_secs(60);

/// Positions by caller, and the floor.
pub struct Positions {
    /// Nobody asks for positions where there are no replicas.
    is_used: bool,
    redis: Option<Redis>,
    here: Cache<String, Lsn>,
    keep: Duration,
    /// Does Redis know what all processes know?
    is_shared: AtomicBool,
    /// Since when Redis has answered without a break.
    answers_since: Mutex<Option<Instant>>,
}

impl Positions {
    /// Knows nothing yet; `is_used` where there are replicas.
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

    /// How far a read of this caller must reach to include what they wrote, and the position they name. `None` when that
    /// is not known: then only the primary will do.
    pub async fn needed(&self, caller: &str, token: Option<Lsn>) -> Option<Lsn> {
        let caller = key_of(caller);
        let here = self.here.get(&caller).unwrap_or(Lsn::START);
        let least = here.max(token.unwrap_or(Lsn::START));
        match self.known(&caller).await {
            Some(known) => Some(known.max(least)),
            // Whoever names a position is not interested in more.
            None => token.map(|_| least),
        }
    }

    /// What all processes know: the caller's position or the floor, whichever is later.
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
        // Unreadable is not known.
        position.map_or(Some(floor), |text| Some(Lsn::from_sortable(&text)?.max(floor)))
    }

    /// From now on the caller's reads, in whatever process, include what was written up to here.
    pub async fn remember(&self, caller: &str, position: Lsn) {
        self.raise(&key_of(caller), position).await;
    }

    /// From now on everybody's reads include what the primary has by now: before something is told that they may ask for.
    ///
    /// # Errors
    /// When the primary can't be asked.
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

    /// Keeps a floor, and an eye on Redis, until aborted; returns at once where there are no replicas.
    pub async fn watch(&self, primary: &Pool) {
        if !self.is_used {
            return;
        }
        let mut is_away = false;
        let mut raised_at = None;
        loop {
            match self.look(primary, &mut raised_at).await {
                Ok(()) => is_away = false,
                Err(error) => {
                    if !std::mem::replace(&mut is_away, true) {
                        tracing::warn!(%error, "the primary could not be asked where it is; reads stay with it");
                    }
                }
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    async fn look(&self, primary: &Pool, raised_at: &mut Option<Instant>) -> Result<()> {
        // Renewed long before it is forgotten.
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
        // It may have been lost again meanwhile.
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
        assert_eq!(positions.needed("user:1", None).await, None, "what was written before the start is not known yet");
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
