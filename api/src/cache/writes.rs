//! Who wrote when: what a reader must be shown at least.

use std::time::Duration;

use metrics::Counter;
use moka::policy::EvictionPolicy;
use moka::sync::Cache as Kept;

use super::clock::Clock;
use crate::redis::Redis;

/// Most people remembered, those who wrote last.
const MAX_PEOPLE: u64 = 100_000;

/// Somebody who writes and reads: the id of a user. An API key acts as its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Person(pub i64);

/// Whom a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Person(Person),
    /// What everyone must see at once.
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
    /// Answers that began at this moment or later have in them all that this person wrote.
    need: u64,
    /// The mark in Redis that `need` has taken account of.
    mark: Option<u64>,
}

/// The writes of the last seconds, made here and, through Redis, elsewhere.
pub struct Writes {
    clock: Clock,
    redis: Option<Redis>,
    notes: Kept<Whose, Note>,
    /// How long a note is of use: until every answer that began before it has died.
    keep: Duration,
    /// Marks that Redis did not take.
    lost_marks: Counter,
}

impl Writes {
    /// Nobody wrote yet. `keep` must be longer than any answer lives.
    pub fn new(clock: Clock, redis: Option<Redis>, keep: Duration) -> Self {
        let notes = Kept::builder().max_capacity(MAX_PEOPLE).time_to_live(keep).eviction_policy(EvictionPolicy::lru()).build();
        Self { clock, redis, notes, keep, lost_marks: metrics::counter!("cache_marks_lost_total") }
    }

    /// Somebody may have written, through this process: holds here at once.
    pub fn note_here(&self, person: Person) {
        self.raise(Whose::Person(person), None);
    }

    /// Tells the other processes what was noted here: they know when this returns, if Redis is there.
    pub async fn tell(&self, person: Person) {
        self.set_mark(Whose::Person(person)).await;
    }

    /// Everyone must see at once what was written, here and, as with [`Self::tell`], elsewhere.
    pub async fn note_for_everyone(&self) {
        self.raise(Whose::Everyone, None);
        self.set_mark(Whose::Everyone).await;
    }

    /// The moment at or after which an answer for this person must have begun.
    pub async fn need(&self, person: Person) -> u64 {
        let both = [Whose::Person(person), Whose::Everyone];
        if let Some(redis) = &self.redis
            && let Some(marks) = redis.get_numbers(both.map(Whose::redis_key)).await
        {
            for (whose, mark) in both.into_iter().zip(marks) {
                if mark.is_some() && mark != self.note_of(whose).mark {
                    // Written elsewhere, and not known here yet: as if it had been written here, now.
                    self.raise(whose, mark);
                }
            }
        }
        both.map(|whose| self.note_of(whose).need).into_iter().max().unwrap_or_default()
    }

    /// A moment that only answers which begin from now on reach.
    pub fn anew(&self) -> u64 {
        self.clock.tick()
    }

    async fn set_mark(&self, whose: Whose) {
        let Some(redis) = &self.redis else { return };
        let mark: u64 = rand::random();
        if redis.set_number(&whose.redis_key(), mark, self.keep).await {
            // The moment is one after Redis has the mark, and so after every mark that this one replaced.
            self.raise(whose, Some(mark));
        } else {
            self.lost_marks.increment(1);
        }
    }

    fn note_of(&self, whose: Whose) -> Note {
        self.notes.get(&whose).unwrap_or_default()
    }

    fn raise(&self, whose: Whose, mark: Option<u64>) {
        // One at a time for a person, so a later moment is never replaced by an earlier one.
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
