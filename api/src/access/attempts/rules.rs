//! When failed attempts lead to a block, and for how long. Pure decisions.

use chrono::{DateTime, TimeDelta, Utc};

/// A block lasts at most 2 to this power times as long as the first one.
const MAX_DOUBLINGS: i16 = 3;
/// Earlier blocks make the next one longer for this time after the last one ended.
const REMEMBERED: TimeDelta = TimeDelta::days(1);

/// How many failures are allowed, and what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The failure that reaches this number starts a block.
    pub limit: i32,
    /// Failures count together when they fall into a window of this length, which the first one
    /// opens.
    pub window: TimeDelta,
    pub block: Block,
}

/// The length of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Until the window ends.
    RestOfWindow,
    /// For this time at first, and twice as long as before each further time.
    Growing(TimeDelta),
}

/// The failures of one subject at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    pub failures: i32,
    /// Attempts that a block refused.
    pub refused: i32,
    /// Blocks in a row.
    pub blocks: i16,
    pub window_ends_at: DateTime<Utc>,
    pub blocked_until: Option<DateTime<Utc>>,
    /// From then on the counter is as good as new.
    pub forget_at: DateTime<Utc>,
}

impl Counter {
    /// A counter that has counted nothing.
    pub const NEW: Self = Self {
        failures: 0,
        refused: 0,
        blocks: 0,
        window_ends_at: DateTime::<Utc>::MIN_UTC,
        blocked_until: None,
        forget_at: DateTime::<Utc>::MIN_UTC,
    };

    /// The end of the block, if there is one now.
    pub fn block_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.blocked_until.filter(|until| *until > now)
    }

    /// The counter after an attempt that did not succeed. Refused attempts never make a block
    /// longer, or an attacker could keep it up for good at no cost.
    pub fn after_attempt(&self, rule: Rule, now: DateTime<Utc>) -> Self {
        if self.block_at(now).is_some() {
            return self.after_refusal(rule, now);
        }
        let current = self.current(rule, now);
        let failures = current.failures.saturating_add(1);
        if failures < rule.limit {
            return Self { failures, ..current }.remembered();
        }
        let (blocked_until, blocks) = match rule.block {
            Block::RestOfWindow => (current.window_ends_at, 0),
            Block::Growing(first) => (now + first * (1 << current.blocks.min(MAX_DOUBLINGS)), current.blocks.saturating_add(1)),
        };
        Self { failures, refused: 0, blocks, blocked_until: Some(blocked_until), ..current }.remembered()
    }

    /// The counter after an attempt that was refused for another reason than this counter.
    pub fn after_refusal(&self, rule: Rule, now: DateTime<Utc>) -> Self {
        if self.block_at(now).is_some() {
            return Self { refused: self.refused.saturating_add(1), ..*self };
        }
        let current = self.current(rule, now);
        Self { refused: current.refused.saturating_add(1), ..current }.remembered()
    }

    /// Attempts refused during the block or window of this moment.
    pub fn refused_at(&self, now: DateTime<Utc>) -> i32 {
        let is_open = self.block_at(now).is_some() || (self.blocked_until.is_none() && self.window_ends_at > now);
        if is_open { self.refused } else { 0 }
    }

    /// Without what no longer counts: after a block or a window the count starts again.
    fn current(&self, rule: Rule, now: DateTime<Utc>) -> Self {
        let known = if self.forget_at <= now { Self::NEW } else { *self };
        if known.window_ends_at > now && known.blocked_until.is_none() {
            return known;
        }
        Self { blocks: known.blocks, window_ends_at: now + rule.window, ..Self::NEW }
    }

    fn remembered(self) -> Self {
        let end = self.blocked_until.map_or(self.window_ends_at, |until| until.max(self.window_ends_at));
        Self { forget_at: if self.blocks > 0 { end + REMEMBERED } else { end }, ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: Rule = Rule { limit: 5, window: TimeDelta::hours(1), block: Block::Growing(TimeDelta::minutes(15)) };
    const PER_MINUTE: Rule = Rule { limit: 3, window: TimeDelta::minutes(1), block: Block::RestOfWindow };

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).expect("a time")
    }

    fn after(counter: Counter, attempts: usize, rule: Rule, now: DateTime<Utc>) -> Counter {
        (0..attempts).fold(counter, |counter, _| counter.after_attempt(rule, now))
    }

    #[test]
    fn blocks_grow_up_to_eight_times_and_are_forgotten_after_a_day() {
        let (mut counter, mut now) = (Counter::NEW, noon());
        for minutes in [15, 30, 60, 120, 120, 120] {
            counter = after(counter, 4, RULE, now);
            assert_eq!(counter.block_at(now), None);
            counter = counter.after_attempt(RULE, now);
            assert_eq!(counter.block_at(now), Some(now + TimeDelta::minutes(minutes)));
            now += TimeDelta::minutes(minutes);
            assert_eq!(counter.block_at(now), None);
        }
        now += TimeDelta::days(1);
        assert_eq!(after(counter, 5, RULE, now).block_at(now), Some(now + TimeDelta::minutes(15)));
    }

    #[test]
    fn refusals_for_other_reasons_block_nothing_and_are_counted_for_a_window() {
        let now = noon();
        let counter = (0..100).fold(Counter::NEW, |counter, _| counter.after_refusal(RULE, now));
        assert_eq!((counter.refused_at(now), counter.failures, counter.block_at(now)), (100, 0, None));
        let blocked = after(counter, 5, RULE, now);
        assert_eq!((blocked.refused_at(now), blocked.after_refusal(RULE, now).refused_at(now)), (0, 1));
        for counter in [counter, blocked] {
            let later = now + TimeDelta::hours(1);
            assert_eq!((counter.refused_at(later), counter.after_refusal(RULE, later).refused), (0, 1));
        }
    }

    #[test]
    fn a_limit_by_the_minute_ends_with_the_minute() {
        let now = noon();
        let counter = after(Counter::NEW, 2, PER_MINUTE, now);
        let later = now + TimeDelta::seconds(50);
        assert_eq!(counter.after_attempt(PER_MINUTE, later).block_at(later), Some(now + TimeDelta::minutes(1)));
        let next = now + TimeDelta::seconds(61);
        assert_eq!(after(counter, 2, PER_MINUTE, next).block_at(next), None, "the window has ended");
    }

    proptest! {
        /// Whatever comes when: in no window are more attempts tried than the limit, and refused
        /// ones change no block.
        #[test]
        fn no_more_than_the_limit_is_tried_between_blocks(gaps in prop::collection::vec(0_i64..900, 1..200)) {
            let (mut counter, mut now) = (Counter::NEW, noon());
            let mut tried: Vec<DateTime<Utc>> = Vec::new();
            for gap in gaps {
                now += TimeDelta::seconds(gap);
                let block = counter.block_at(now);
                counter = counter.after_attempt(RULE, now);
                match block {
                    Some(until) => prop_assert_eq!(counter.block_at(now), Some(until)),
                    None => tried.push(now),
                }
                prop_assert!(counter.forget_at >= counter.block_at(now).unwrap_or(now));
            }
            for window in tried.windows(6) {
                prop_assert!(window[5] - window[0] >= TimeDelta::minutes(15), "six tries within a quarter of an hour");
            }
        }
    }
}
