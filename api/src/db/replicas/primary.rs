//! The history of the primary's position, from which the lag of a replica is computed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use diesel_async::AsyncPgConnection;

use super::replica::LOOK_TIMEOUT;
use crate::background::{PeriodicTask, TaskResult};
use crate::db::{Lsn, lsn, pool};

/// Maximum number of stored positions: at four per second, a quarter of an hour. A replica that is
/// further behind is reported as that far behind.
const MAX_POSITIONS: usize = 3_600;

/// When the primary was first seen at each position, oldest first.
#[derive(Default)]
pub struct Primary {
    positions: Mutex<VecDeque<(Instant, Lsn)>>,
}

/// Polls the primary's position. While the primary is unavailable, the last known position counts.
pub struct PrimaryProbe {
    primary: Arc<Primary>,
    url: String,
    statement_timeout_seconds: u64,
    conn: Option<AsyncPgConnection>,
}

impl PrimaryProbe {
    pub fn new(primary: Arc<Primary>, url: String, statement_timeout_seconds: u64) -> Self {
        Self { primary, url, statement_timeout_seconds, conn: None }
    }
}

impl PeriodicTask for PrimaryProbe {
    async fn run(&mut self) -> TaskResult {
        // A connection whose statement failed or timed out is dropped.
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => pool::connect(self.url.clone(), self.statement_timeout_seconds).await?,
        };
        let position = tokio::time::timeout(LOOK_TIMEOUT, lsn::flushed(&mut conn)).await??;
        self.conn = Some(conn);
        self.primary.note(Instant::now(), position);
        Ok(String::new())
    }
}

/// How far behind a replica is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// How long the oldest change that it has not replayed has existed.
    pub time: Duration,
    pub bytes: u64,
}

impl Primary {
    fn note(&self, now: Instant, position: Lsn) {
        let mut positions = self.positions.lock().expect("no panic while held");
        match positions.back() {
            Some((_, last)) if *last == position => return,
            // Another primary, which had not received everything from the previous one.
            Some((_, last)) if *last > position => positions.clear(),
            _ => {}
        }
        positions.push_back((now, position));
        if positions.len() > MAX_POSITIONS {
            positions.pop_front();
        }
    }

    /// The lag of a replica that has replayed up to `replayed`. It is zero while nothing is known
    /// of the primary.
    pub fn lag_of(&self, replayed: Lsn, now: Instant) -> Lag {
        let positions = self.positions.lock().expect("no panic while held");
        let Some((_, newest)) = positions.back() else { return Lag::default() };
        let missing_since = positions.get(positions.partition_point(|(_, position)| *position <= replayed));
        Lag { time: missing_since.map_or(Duration::ZERO, |(since, _)| now.saturating_duration_since(*since)), bytes: newest.bytes_after(replayed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_the_age_of_the_oldest_thing_missing() {
        let primary = Primary::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(primary.lag_of(Lsn::START, at(9)), Lag::default(), "nothing is known yet");
        for (seconds, position) in [(0, 100), (10, 100), (20, 200), (21, 300)] {
            primary.note(at(seconds), Lsn(position));
        }
        let lag = |replayed| primary.lag_of(Lsn(replayed), at(22));
        assert_eq!(lag(300), Lag::default());
        assert_eq!(lag(400), Lag::default(), "the replica may be ahead of the last known position");
        assert_eq!(lag(250), Lag { time: Duration::from_secs(1), bytes: 50 });
        assert_eq!(lag(100), Lag { time: Duration::from_secs(2), bytes: 200 }, "idle time before a change is not lag");
        assert_eq!(lag(50), Lag { time: Duration::from_secs(22), bytes: 250 });
        primary.note(at(23), Lsn(150));
        assert_eq!(lag(150), Lag::default(), "after a failover the new primary counts");
    }
}
