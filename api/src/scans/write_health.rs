//! Whether scans can be written now, by what the scan writer has seen itself.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::sqlstate::Trouble;

/// Without a commit for this long scans can't be written, whatever the reason.
const MAX_AGE: Duration = Duration::from_secs(5);

/// Why scans can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteProblem {
    /// No connection to the database, or none that answers.
    DatabaseUnreachable,
    /// The database is a standby, or set to read only.
    ReadOnly,
    /// The disk of the database is full.
    StorageFull,
    /// The database lacks connections, memory or another resource.
    Overloaded,
    /// Nothing was written for 5 seconds, and no error says why.
    Stuck,
}

impl WriteProblem {
    /// What it is and what to do about it, for admins.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::DatabaseUnreachable => {
                "The database does not answer. Check that PostgreSQL runs and that the network to it works; writing goes on by itself."
            }
            Self::ReadOnly => {
                "The database can't be written: it is a standby, or default_transaction_read_only is on. Let DATABASE_URL lead to the primary, \
                 or reset that setting."
            }
            Self::StorageFull => "The disk of the database is full. Free space on it or make it larger; writing goes on by itself.",
            Self::Overloaded => {
                "The database refuses work because it lacks connections, memory or another resource. See the log of PostgreSQL, and max_connections."
            }
            Self::Stuck => "Nothing was written for 5 seconds. Look for long transactions and for locks in pg_stat_activity, and at the disk.",
        }
    }

    /// The problem behind an error, where it concerns every write and not that one alone.
    const fn of(trouble: Trouble) -> Option<Self> {
        match trouble {
            Trouble::ConnectionLost => Some(Self::DatabaseUnreachable),
            Trouble::ReadOnly => Some(Self::ReadOnly),
            Trouble::StorageFull => Some(Self::StorageFull),
            Trouble::Overloaded => Some(Self::Overloaded),
            Trouble::Conflict | Trouble::TimedOut => None,
        }
    }
}

/// What the writers of this process have seen last. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct WriteHealth(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    committed_at: Option<Instant>,
    /// Of the last write, when it failed.
    problem: Option<WriteProblem>,
}

impl WriteHealth {
    /// Something was committed.
    pub fn note_commit(&self) {
        let mut seen = self.0.lock().expect("no panic while held");
        seen.committed_at = Some(Instant::now());
        if let Some(problem) = seen.problem.take() {
            tracing::warn!(?problem, "scans can be written again");
        }
    }

    /// Something could not be written. Returns whether that concerns every write.
    pub fn note_trouble(&self, trouble: Trouble) -> bool {
        let Some(problem) = WriteProblem::of(trouble) else { return false };
        let before = self.0.lock().expect("no panic while held").problem.replace(problem);
        if before != Some(problem) {
            tracing::error!(?problem, advice = problem.advice(), "scans can't be written");
        }
        true
    }

    /// Time since the last commit; `None` before the first.
    pub fn age(&self) -> Option<Duration> {
        self.0.lock().expect("no panic while held").committed_at.map(|at| at.elapsed())
    }

    /// Why scans can't be written; `None` when they can: something was committed lately, and nothing has failed since.
    pub fn problem(&self) -> Option<WriteProblem> {
        let is_fresh = self.age().is_some_and(|age| age <= MAX_AGE);
        let seen = self.0.lock().expect("no panic while held");
        seen.problem.or((!is_fresh).then_some(WriteProblem::Stuck))
    }
}
