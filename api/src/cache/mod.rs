//! What was worked out a moment ago, kept for those who ask the same. Knows no feature.
//!
//! **Rule.** A reader is shown an answer that began to be made at most `CACHE_SECONDS` ago *and* after that reader's own
//! last write. So nobody ever misses what they have just done, and what others do is seen within that time. Others' writes
//! do not invalidate anything: with a thousand people scanning there would be nothing left to show twice.
//!
//! **How.** [`clock::Clock`] is a counter. [`crate::note_writes`] ticks it when a call that may write is over, before its answer
//! leaves, and notes the new number for the caller ([`Writes`]). A making of an answer ([`Fills`]) takes the number
//! of the moment before it reads. If it took the writer's number or a later one, it began after the commit, and reads what
//! was committed, because it reads the primary. A making that runs is joined by whoever it serves by that rule, so writers
//! who ask at once lead to few of them. Notes and answers live by time: a note may be forgotten when all answers that began
//! before it have died.
//!
//! **Several processes.** Each has a clock and answers of its own: sharing answers would save one making for each process
//! and lifetime, and cost shipping every body and a common order of all writes. What must be shared is that somebody wrote:
//! before the answer leaves, a new random mark is set in Redis under the writer's name. Whoever reads asks for that mark;
//! one that this process has not taken account of counts as a write of that person here and now. A mark only says "something
//! new", so it needs no order, and one replacing another loses nothing: the process that sets a mark takes its own
//! number after Redis has it. This makes one answer too many now and then, never an old one.
//!
//! Redis away: a mark that could not be set is counted (`cache_marks_lost_total`), a mark that could not be read is taken for
//! none. Own writes through the same process still hold; those through another process are seen within the lifetime, as they
//! are without `REDIS_URL`.

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

/// Most answers kept of each topic: the largest have tens of kilobytes.
const MAX_KEPT: u64 = 1_000;
/// Whoever sends this header tells what they must see, and gets it from the database.
const CONSISTENCY_TOKEN: &str = "x-consistency-token";

/// What an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Bags, scans, bills and people, counted.
    Stats,
    /// What was searched for.
    Search,
}

/// How new an answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// With all that this person has written.
    AfterOwnWrites(Person),
    /// Begun after it was asked for.
    Anew,
}

impl Freshness {
    /// What this person needs for this request.
    pub fn of(req: &HttpRequest, person: Person) -> Self {
        if req.headers().contains_key(CONSISTENCY_TOKEN) { Self::Anew } else { Self::AfterOwnWrites(person) }
    }
}

/// Answers by topic and key, and who wrote.
pub struct Cache {
    clock: Clock,
    writes: Writes,
    stats: Fills<Tagged>,
    search: Fills<Tagged>,
}

impl Cache {
    /// An empty cache whose answers live `lifetime`; with zero nothing is kept.
    pub fn new(redis: Option<Redis>, lifetime: Duration) -> Self {
        let clock = Clock::default();
        Self {
            // Where nothing is kept, nobody needs to know who wrote.
            writes: Writes::new(clock.clone(), redis.filter(|_| !lifetime.is_zero()), lifetime * 2 + Duration::from_secs(1)),
            stats: Fills::new("stats", clock.clone(), lifetime, MAX_KEPT),
            search: Fills::new("search", clock.clone(), lifetime, MAX_KEPT),
            clock,
        }
    }

    /// The answer under `key`, made by `make` when there is none that is new enough. `key` must name everything that the
    /// answer depends on, also what the caller may see.
    ///
    /// # Errors
    /// What `make` returned; nothing is kept then.
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

    /// Who wrote.
    pub fn writes(&self) -> &Writes {
        &self.writes
    }

    /// The order of writes and answers in this process.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Nobody is shown what was before, here and, with Redis, in any process.
    pub async fn clear(&self) {
        self.writes.note_for_everyone().await;
    }

    /// Answers kept in this process, about.
    pub fn kept(&self) -> u64 {
        self.stats.count() + self.search.count()
    }
}
