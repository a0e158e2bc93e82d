//! Whether scans can be written now, as observed by the scan writer.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::sqlstate::TemporaryFailure;

/// Without a commit for this long, scans count as not writable.
const MAX_AGE: Duration = Duration::from_secs(5);

/// Why scans cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteProblem {
    /// The database can't be reached or does not respond.
    DatabaseUnreachable,
    /// The database is a standby, or set to read-only.
    ReadOnly,
    /// The disk of the database is full.
    StorageFull,
    /// The database lacks connections, memory or another resource.
    Overloaded,
    /// Nothing was committed for 5 seconds, without an error.
    Stuck,
}

impl WriteProblem {
    /// What is wrong and what to do, for admins.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::DatabaseUnreachable => {
                "The database does not respond. Check that PostgreSQL is running and that the network to it works. Writing then continues automatically."
            }
            Self::ReadOnly => {
                "The database is read-only: it is a standby, or default_transaction_read_only is on. Set DATABASE_URL to the primary, or reset \
                 that setting."
            }
            Self::StorageFull => "The disk of the database is full. Free up space. Writing then continues automatically.",
            Self::Overloaded => "The database is out of connections, memory or another resource. Check max_connections and the log of PostgreSQL.",
            Self::Stuck => "Nothing was written for 5 seconds. Check pg_stat_activity for long transactions and locks, and the disk.",
        }
    }

    /// The problem of a failure that affects all writes; `None` for one that affects a single
    /// transaction.
    const fn of(failure: TemporaryFailure) -> Option<Self> {
        match failure {
            TemporaryFailure::ConnectionLost => Some(Self::DatabaseUnreachable),
            TemporaryFailure::ReadOnly => Some(Self::ReadOnly),
            TemporaryFailure::StorageFull => Some(Self::StorageFull),
            TemporaryFailure::Overloaded => Some(Self::Overloaded),
            TemporaryFailure::Conflict | TemporaryFailure::TimedOut => None,
        }
    }
}

/// The last results of the scan writers of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct WriteHealth(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    committed_at: Option<Instant>,
    /// Of the last write, if it failed.
    problem: Option<WriteProblem>,
}

impl WriteHealth {
    /// Records a commit.
    pub fn record_commit(&self) {
        let mut state = self.0.lock().expect("no panic while held");
        state.committed_at = Some(Instant::now());
        if let Some(problem) = state.problem.take() {
            tracing::warn!(?problem, "scans can be written again");
        }
    }

    /// Records a failed write. Returns whether the failure affects all writes.
    pub fn record_failure(&self, failure: TemporaryFailure) -> bool {
        let Some(problem) = WriteProblem::of(failure) else { return false };
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

    /// Why scans can't be written; `None` when they can: the last commit is recent, and no write
    /// has failed since.
    pub fn problem(&self) -> Option<WriteProblem> {
        let is_recent = self.age().is_some_and(|age| age <= MAX_AGE);
        let state = self.0.lock().expect("no panic while held");
        state.problem.or((!is_recent).then_some(WriteProblem::Stuck))
    }
}
