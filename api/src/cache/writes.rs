//! Tracks the time of each user's last write, which sets the minimum freshness of what that user
//! reads.

use std::time::Duration;

use metrics::Counter;
use moka::policy::EvictionPolicy;
use moka::sync::Cache as Kept;

use super::clock::Clock;
use crate::redis::Redis;

/// Maximum number of users tracked. The least recently used are evicted.
const MAX_PEOPLE: u64 = 100_000;

/// The id of the user who reads and writes. An API key acts as its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Person(pub i64);

/// The scope of a recorded write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Person(Person),
    /// A change that every user must see at once.
    Everyone,
}

impl Whose {
    fn redis_key(self) -> String {
        match self {
            Self::Person(Person(id)) => format!("traitortrack:wrote:{id}"),
            Self::Everyone => "traitortrack:wrote:everyone".to_owned(),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Note {
    /// Responses whose computation started at or after this time include everything that this user
    /// wrote.
    need: u64,
    /// The Redis marker that `need` already accounts for.
    mark: Option<u64>,
}

/// The writes of the last seconds: local ones and, through Redis, those of other processes.
pub struct Writes {
    clock: Clock,
    redis: Option<Redis>,
    notes: Kept<Whose, Note>,
    /// How long a recorded write is needed: until every entry that started before it has expired.
    keep: Duration,
    /// Markers that Redis did not accept.
    lost_marks: Counter,
}

impl Writes {
    /// A tracker without writes. `keep` must exceed the lifetime of every cache entry.
    pub fn new(clock: Clock, redis: Option<Redis>, keep: Duration) -> Self {
        let notes = Kept::builder().max_capacity(MAX_PEOPLE).time_to_live(keep).eviction_policy(EvictionPolicy::lru()).build();
        Self { clock, redis, notes, keep, lost_marks: metrics::counter!("cache_marks_lost_total") }
    }

    /// Records a possible write through this process. Takes effect in this process immediately.
    pub fn note_here(&self, person: Person) {
        self.raise(Whose::Person(person), None);
    }

    /// Publishes the recorded write to the other processes. If Redis is available, they see it once
    /// this returns.
    pub async fn tell(&self, person: Person) {
        self.set_mark(Whose::Person(person)).await;
    }

    /// Makes every user see all changes at once: in this process, and in the others as with
    /// [`Self::tell`].
    pub async fn note_for_everyone(&self) {
        self.raise(Whose::Everyone, None);
        self.set_mark(Whose::Everyone).await;
    }

    /// The minimum time at which a response for this user must have started to be computed.
    pub async fn need(&self, person: Person) -> u64 {
        let both = [Whose::Person(person), Whose::Everyone];
        if let Some(redis) = &self.redis
            && let Some(marks) = redis.get_numbers(both.map(Whose::redis_key)).await
        {
            for (whose, mark) in both.into_iter().zip(marks) {
                if mark.is_some() && mark != self.note_of(whose).mark {
                    // Another process recorded this write and this process has not seen it: treat
                    // it as a local write at this moment.
                    self.raise(whose, mark);
                }
            }
        }
        both.map(|whose| self.note_of(whose).need).into_iter().max().unwrap_or_default()
    }

    /// A time that only computations starting from now on satisfy.
    pub fn anew(&self) -> u64 {
        self.clock.tick()
    }

    async fn set_mark(&self, whose: Whose) {
        let Some(redis) = &self.redis else { return };
        let mark: u64 = rand::random();
        if redis.set_number(&whose.redis_key(), mark, self.keep).await {
            // This time is later than the moment Redis stored the marker, and so later than every
            // marker that it replaced.
            self.raise(whose, Some(mark));
        } else {
            self.lost_marks.increment(1);
        }
    }

    fn note_of(&self, whose: Whose) -> Note {
        self.notes.get(&whose).unwrap_or_default()
    }

    fn raise(&self, whose: Whose, mark: Option<u64>) {
        // The map serializes updates of one key, so an earlier time never replaces a later one.
        self.notes.entry(whose).and_upsert_with(|known| {
            let known_mark = known.and_then(|note| note.value().mark);
            Note { need: self.clock.tick(), mark: mark.or(known_mark) }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASHA: Person = Person(7);
    const RAVI: Person = Person(8);

    #[tokio::test]
    async fn only_who_wrote_needs_what_began_since() {
        let clock = Clock::default();
        let writes = Writes::new(clock.clone(), None, Duration::from_secs(3_600));
        let before = clock.now();
        writes.note_here(ASHA);
        writes.tell(ASHA).await;
        assert!(writes.need(ASHA).await > before && writes.need(ASHA).await <= clock.now());
        assert!(writes.need(RAVI).await <= before);
        writes.note_for_everyone().await;
        assert!(writes.need(RAVI).await > before);
        assert!(writes.anew() > writes.need(ASHA).await);
    }

    #[tokio::test]
    async fn a_note_is_of_no_use_when_older_answers_have_died() {
        let writes = Writes::new(Clock::default(), None, Duration::from_millis(20));
        writes.note_here(ASHA);
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(writes.need(ASHA).await, 0);
    }
}
