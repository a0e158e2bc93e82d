//! Caches recently computed responses for callers that request the same data. Independent of every
//! feature.
//!
//! **Rule.** A cached response is served to a reader only if its computation started at most
//! `CACHE_SECONDS` ago *and* after the reader's own last write. Readers therefore always see their
//! own writes, and see the writes of others within `CACHE_SECONDS`. The writes of others do not
//! invalidate entries: with a thousand people scanning, no entry would ever be served twice.
//!
//! **How.** [`clock::Clock`] is a counter. [`crate::note_writes`] advances it when a call that may
//! write has finished, before the response is sent, and records the new value for the caller
//! ([`Writes`]). A computation ([`Fills`]) reads the counter before it reads any data. If it reads
//! the writer's value or a later one, it started after the commit, and it sees the committed data
//! because it reads from the primary. A caller joins a computation in progress that satisfies this
//! rule, so concurrent writers cause few computations. Recorded writes and cached responses expire
//! by time: a recorded write can expire once all responses whose computations started before it
//! have expired.
//!
//! **Several processes.** Each process has its own clock and its own entries. Sharing entries would
//! save one computation per process and lifetime, but would require transferring every body and a
//! total order of all writes. Processes only share the fact that a user wrote: before the response
//! is sent, the process sets a new random marker in Redis under the writer's name. Every read
//! fetches that marker. A marker that this process has not seen counts as a local write by that
//! user at that moment. A marker only means "something changed", so it needs no order, and
//! replacing one marker with another loses nothing: the process that sets a marker advances its own
//! clock after Redis has stored the marker. This sometimes causes an unnecessary computation, never
//! a stale response.
//!
//! When Redis is unavailable, a marker that could not be set is counted (`cache_marks_lost_total`),
//! and a marker that could not be read counts as absent. Users still see their own writes that went
//! through the same process. They see writes that went through another process within the lifetime,
//! as they do without `REDIS_URL`.

mod clock;
mod fills;
mod writes;

use std::time::Duration;

use actix_web::HttpRequest;

pub use clock::Clock;
pub use fills::Fills;
pub use writes::{Person, Writes};

use crate::error::Result;
use crate::http::etag::Tagged;
use crate::redis::Redis;

/// Maximum number of entries per topic. The largest entries have tens of kilobytes.
const MAX_KEPT: u64 = 1_000;
/// A request with this header states what it must include, so it bypasses the cache and reads from
/// the database.
const CONSISTENCY_TOKEN: &str = "x-consistency-token";

/// What a cached response contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Counts of bags, scans, bills and users.
    Stats,
    /// Search results.
    Search,
}

/// How recent a response must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It includes everything that this user has written.
    AfterOwnWrites(Person),
    /// Its computation started after the request arrived.
    Anew,
}

impl Freshness {
    /// The freshness that this request of this user requires.
    pub fn of(req: &HttpRequest, person: Person) -> Self {
        if req.headers().contains_key(CONSISTENCY_TOKEN) { Self::Anew } else { Self::AfterOwnWrites(person) }
    }
}

/// Cached responses by topic and key, and the recorded writes.
pub struct Cache {
    clock: Clock,
    writes: Writes,
    stats: Fills<Tagged>,
    search: Fills<Tagged>,
}

impl Cache {
    /// An empty cache whose entries live for `lifetime`. A lifetime of zero disables caching.
    pub fn new(redis: Option<Redis>, lifetime: Duration) -> Self {
        let clock = Clock::default();
        Self {
            // Without caching, no process needs to know who wrote.
            writes: Writes::new(clock.clone(), redis.filter(|_| !lifetime.is_zero()), lifetime * 2 + Duration::from_secs(1)),
            stats: Fills::new("stats", clock.clone(), lifetime, MAX_KEPT),
            search: Fills::new("search", clock.clone(), lifetime, MAX_KEPT),
            clock,
        }
    }

    /// Returns the response under `key`, or computes it with `make` if no cached response is recent
    /// enough. `key` must name everything that the response depends on, including the caller's
    /// permissions.
    ///
    /// # Errors
    /// Propagates the error of `make`. Errors are not cached.
    pub async fn answer<F>(&self, topic: Topic, key: &str, freshness: Freshness, make: F) -> Result<Tagged>
    where
        F: Future<Output = Result<Tagged>>,
    {
        let need = match freshness {
            Freshness::AfterOwnWrites(person) => self.writes.need(person).await,
            Freshness::Anew => self.writes.anew(),
        };
        let fills = match topic {
            Topic::Stats => &self.stats,
            Topic::Search => &self.search,
        };
        fills.get(key, need, make).await
    }

    /// The recorded writes.
    pub fn writes(&self) -> &Writes {
        &self.writes
    }

    /// The clock that orders writes and computations in this process.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Invalidates all entries for all users, in this process and, with Redis, in every process.
    pub async fn clear(&self) {
        self.writes.note_for_everyone().await;
    }

    /// The approximate number of cached responses in this process.
    pub fn kept(&self) -> u64 {
        self.stats.count() + self.search.count()
    }
}
