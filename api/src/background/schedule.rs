//! When a periodic task runs, and the delay before a failed one is restarted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

/// A run that takes longer counts as overdue, unless [`Schedule::may_take`] says otherwise.
const DEFAULT_MAX_RUN: Duration = Duration::from_secs(5 * 60);

/// When a periodic task runs.
#[derive(Clone)]
pub struct Schedule {
    pub(super) period: Duration,
    pub(super) runs_at_once: bool,
    pub(super) has_fixed_rate: bool,
    pub(super) wake: Option<Arc<Notify>>,
    pub(super) max_run: Duration,
}

impl Schedule {
    /// Runs one period after the end of the previous run. The first run is one period after the
    /// start.
    pub fn every(period: Duration) -> Self {
        let max_run = DEFAULT_MAX_RUN;
        Self { period, runs_at_once: false, has_fixed_rate: false, wake: None, max_run }
    }

    /// The first run is at the start.
    pub fn starting_at_once(self) -> Self {
        Self { runs_at_once: true, ..self }
    }

    /// Measures the period from the start of the previous run, not from its end.
    pub fn at_fixed_rate(self) -> Self {
        Self { has_fixed_rate: true, ..self }
    }

    /// A notification starts the next run early.
    pub fn woken_by(self, wake: Arc<Notify>) -> Self {
        Self { wake: Some(wake), ..self }
    }

    /// The longest normal duration of a run. A longer run counts as overdue; it is not cancelled.
    pub fn may_take(self, max_run: Duration) -> Self {
        Self { max_run, ..self }
    }

    /// The delay before the first run.
    pub(super) fn first_delay(&self) -> Duration {
        if self.runs_at_once { Duration::ZERO } else { self.period }
    }

    /// The delay after a run that took `elapsed`.
    pub(super) fn next_delay(&self, elapsed: Duration) -> Duration {
        if self.has_fixed_rate { self.period.saturating_sub(elapsed) } else { self.period }
    }
}

/// The delay before a task that panicked, or a service that ended, is restarted. It doubles with
/// each failure in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct BackOff {
    pub first: Duration,
    /// Also the time for which a service must run before its earlier failures are forgotten.
    pub max: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), max: Duration::from_secs(60) }
    }
}

impl BackOff {
    /// The delay after so many failures in a row.
    pub fn after(self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.max)
    }
}
