//! A cache that computes each value once, however many callers request it at the same time.

use std::sync::Arc;
use std::time::Duration;

use metrics::Counter;
use moka::sync::Cache as Kept;
use tokio::sync::OnceCell;

use super::clock::Clock;
use crate::error::{Error, Result};

/// A single-flight cache with short-lived entries.
pub struct Fills<V> {
    clock: Clock,
    /// `None` if caching is disabled.
    kept: Option<Kept<String, Arc<Fill<V>>>>,
    counters: Counters,
}

/// One computation of a value, created when the computation starts.
struct Fill<V> {
    /// The time at which the computation started. The value includes every write before it.
    began: u64,
    outcome: OnceCell<Result<V, Arc<Error>>>,
}

impl<V> Fill<V> {
    /// Whether a reader that must see all writes before `need` may use this entry. A failed entry
    /// serves only the callers that already wait for it.
    fn serves(&self, need: u64) -> bool {
        self.began >= need && !matches!(self.outcome.get(), Some(Err(_)))
    }
}

/// Counts how requests were answered.
struct Counters {
    hit: Counter,
    joined: Counter,
    miss: Counter,
}

impl<V: Clone + Send + Sync + 'static> Fills<V> {
    /// An empty cache. Each entry lives for `lifetime`, measured from the start of its computation.
    /// A lifetime of zero disables caching.
    pub fn new(topic: &'static str, clock: Clock, lifetime: Duration, max_kept: u64) -> Self {
        let counter = |result: &'static str| metrics::counter!("cache_requests_total", "topic" => topic, "result" => result);
        Self {
            clock,
            kept: (!lifetime.is_zero()).then(|| Kept::builder().max_capacity(max_kept).time_to_live(lifetime).build()),
            counters: Counters { hit: counter("hit"), joined: counter("joined"), miss: counter("miss") },
        }
    }

    /// Returns the value under `key` to a reader that must see all writes before `need`: a cached
    /// value, the result of a computation in progress, or a new value that `make` computes.
    ///
    /// Concurrent callers share computations: a caller waits for a computation in progress if that
    /// computation started at or after the caller's `need`. If the computing caller is cancelled,
    /// the next waiting caller computes the value.
    ///
    /// # Errors
    /// Propagates the error of `make` to every waiting caller. Errors are not cached.
    pub async fn get<F: Future<Output = Result<V>>>(&self, key: &str, need: u64, make: F) -> Result<V> {
        let Some(kept) = &self.kept else {
            self.counters.miss.increment(1);
            return make.await;
        };
        let known = kept.get(key).filter(|fill| fill.serves(need));
        if let Some(Ok(value)) = known.as_ref().and_then(|fill| fill.outcome.get()) {
            self.counters.hit.increment(1);
            return Ok(value.clone());
        }
        let fill = known.unwrap_or_else(|| {
            // Read the clock before `make` reads any data, so that `began` is never too late.
            let begin = || Arc::new(Fill { began: self.clock.now(), outcome: OnceCell::new() });
            kept.entry_by_ref(key).or_insert_with_if(begin, |old| !old.serves(need)).into_value()
        });
        let mut is_mine = false;
        let make = async {
            is_mine = true;
            make.await.map_err(Arc::new)
        };
        let outcome = fill.outcome.get_or_init(|| make).await;
        if is_mine { &self.counters.miss } else { &self.counters.joined }.increment(1);
        outcome.clone().map_err(|error| shared_error(&error))
    }

    /// Invalidates the entry under `key`, including one that is being computed.
    pub fn forget(&self, key: &str) {
        if let Some(kept) = &self.kept {
            kept.invalidate(key);
        }
    }

    /// The approximate number of entries.
    pub fn count(&self) -> u64 {
        self.kept.as_ref().map_or(0, Kept::entry_count)
    }
}

/// Copies an error for each caller that waited for it.
fn shared_error(error: &Error) -> Error {
    match error {
        Error::Refused(refusal) => Error::Refused(refusal.clone()),
        Error::Internal(cause) => Error::Internal(anyhow::anyhow!("{cause:#}")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn who_wrote_since_an_answer_began_gets_a_new_one_and_others_the_old() {
        let clock = Clock::default();
        let fills = Fills::new("test", clock.clone(), LONG, 10);
        let ask = async |need, value| fills.get("key", need, async move { Ok(value) }).await.unwrap();
        assert_eq!(ask(0, 1).await, 1);
        let written = clock.tick();
        assert_eq!(ask(0, 2).await, 1);
        assert_eq!(ask(written, 3).await, 3);
        assert_eq!(ask(written, 4).await, 3);
        assert_eq!(ask(0, 5).await, 3);
        fills.forget("key");
        assert_eq!(ask(0, 6).await, 6);
    }

    #[tokio::test]
    async fn writers_who_ask_at_once_share_one_that_began_after_them_all() {
        let clock = Clock::default();
        let fills = Fills::new("test", clock.clone(), LONG, 10);
        let (made, gate) = (AtomicU32::new(0), Semaphore::new(0));
        let ask = |need| {
            fills.get("key", need, async {
                let nth = made.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.expect("open").forget();
                Ok(nth)
            })
        };
        let needs: Vec<u64> = (0..50).map(|_| clock.tick()).collect();
        let asked = futures_util::future::join_all(needs.into_iter().map(ask));
        let (answers, ()) = tokio::join!(asked, async { gate.add_permits(1) });
        assert!(answers.into_iter().all(|answer| answer.is_ok_and(|nth| nth == 0)));

        // A caller that wrote during the computation does not receive its result.
        fills.forget("key");
        let (early, late, ()) = tokio::join!(ask(0), async { ask(clock.tick()).await }, async { gate.add_permits(2) });
        assert_eq!((early.unwrap(), late.unwrap()), (1, 2));
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_waited_and_not_kept() {
        let fills: Fills<u32> = Fills::new("test", Clock::default(), LONG, 10);
        let tries = AtomicU32::new(0);
        let fail = || {
            fills.get("key", 0, async {
                tries.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Err(Error::unavailable("Away."))
            })
        };
        let failed = futures_util::future::join_all((0..10).map(|_| fail())).await;
        assert!(failed.into_iter().all(|outcome| outcome.is_err()));
        assert_eq!(tries.load(Ordering::SeqCst), 1);
        assert_eq!(fills.get("key", 0, async { Ok(7) }).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn when_the_maker_is_cut_off_the_next_one_makes_it() {
        let fills = Fills::new("test", Clock::default(), LONG, 10);
        let never = fills.get("key", 0, std::future::pending());
        let waits = fills.get("key", 0, async { Ok(2) });
        let mut never = Box::pin(never);
        let mut waits = Box::pin(waits);
        assert!(futures_util::poll!(&mut never).is_pending());
        assert!(futures_util::poll!(&mut waits).is_pending());
        drop(never);
        assert_eq!(waits.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn nothing_is_kept_without_a_lifetime() {
        let fills = Fills::new("test", Clock::default(), Duration::ZERO, 10);
        for value in [1, 2] {
            assert_eq!(fills.get("key", 0, async move { Ok(value) }).await.unwrap(), value);
        }
    }
}
