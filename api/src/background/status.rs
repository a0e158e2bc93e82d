//! What is known of each task: its last run, its counts, and whether it needs attention.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::metrics::TaskMetrics;

/// A task counts as failing after so many failures in a row.
const FAILING_AFTER: u32 = 3;
/// A run that starts this much later than planned counts as overdue.
const START_TOLERANCE: Duration = Duration::from_secs(60);
/// Maximum length of a detail, in characters.
const MAX_DETAIL: usize = 200;
/// While a task goes on failing, its failure is logged this often.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    Succeeded,
    /// The task returned an error, or a service returned although it should run all the time.
    Failed,
    Panicked,
}

impl RunResult {
    /// The name in metrics and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
        }
    }
}

/// Whether a task needs attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    Ok,
    /// The last three runs failed, or more.
    Failing,
    /// The current run takes longer than it should, or the next run is late.
    Overdue,
}

/// A background task of this process.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BackgroundTask {
    #[schema(example = "refresh_bag_formats")]
    pub name: String,
    /// Seconds between two runs; null for a service, which runs all the time.
    #[schema(required, example = 3.0)]
    pub period_seconds: Option<f64>,
    pub state: TaskState,
    pub is_running: bool,
    #[schema(required)]
    pub last_started_at: Option<DateTime<Utc>>,
    /// Duration of the last run that has ended.
    #[schema(required)]
    pub last_duration_ms: Option<f64>,
    /// Result of the last run that has ended.
    #[schema(required)]
    pub last_result: Option<RunResult>,
    /// What the last run did, or why it failed.
    #[schema(required)]
    pub last_detail: Option<String>,
    /// Runs that have started since the start of the process.
    pub runs: u64,
    /// Runs that failed or panicked.
    pub failures: u64,
}

/// The status of every task of a process. Cheap to clone.
#[derive(Clone, Default)]
pub struct BackgroundStatus(Arc<Mutex<Vec<Arc<TaskRecord>>>>);

impl BackgroundStatus {
    /// Every task, in the order of registration.
    pub fn tasks(&self) -> Vec<BackgroundTask> {
        lock(&self.0).iter().map(|record| record.snapshot()).collect()
    }

    /// Adds a task.
    ///
    /// # Panics
    /// Panics if a task of this name exists: its metrics would be mixed up.
    pub(super) fn add(&self, record: TaskRecord) -> Arc<TaskRecord> {
        let record = Arc::new(record);
        let mut records = lock(&self.0);
        let name = &record.name;
        assert!(records.iter().all(|other| other.name != *name), "two tasks are named {name}");
        records.push(record.clone());
        record
    }
}

/// What limits a task.
pub(super) enum Kind {
    Periodic {
        period: Duration,
        max_run: Duration,
    },
    /// Earlier failures are forgotten once it has run for `stable_after`.
    Service {
        stable_after: Duration,
    },
}

/// What the driver knows of one task.
pub(super) struct TaskRecord {
    name: String,
    kind: Kind,
    metrics: TaskMetrics,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The start of the current run.
    running_since: Option<Instant>,
    next_start: Option<Instant>,
    last_started_at: Option<DateTime<Utc>>,
    last_duration: Option<Duration>,
    last_result: Option<RunResult>,
    last_detail: String,
    runs: u64,
    failures: u64,
    failures_in_a_row: u32,
    logged_at: Option<Instant>,
}

impl TaskRecord {
    pub fn new(name: String, kind: Kind) -> Self {
        Self { metrics: TaskMetrics::new(&name), name, kind, state: Mutex::default() }
    }

    /// The next run starts after this delay.
    pub fn plan(&self, delay: Duration) {
        lock(&self.state).next_start = Instant::now().checked_add(delay);
    }

    /// A run starts.
    pub fn begin(&self) {
        let mut state = lock(&self.state);
        state.runs += 1;
        state.running_since = Some(Instant::now());
        state.next_start = None;
        state.last_started_at = Some(Utc::now());
    }

    /// The current run has ended. Returns the number of failures in a row.
    pub fn end(&self, result: RunResult, detail: &str) -> u32 {
        let mut state = lock(&self.state);
        let elapsed = state.running_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.metrics.record(result, elapsed);
        if self.has_been_stable(elapsed) {
            state.failures_in_a_row = 0;
        }
        state.last_duration = Some(elapsed);
        state.last_result = Some(result);
        state.last_detail = detail.chars().take(MAX_DETAIL).collect();
        if result == RunResult::Succeeded {
            self.log_recovery(&mut state);
            state.failures_in_a_row = 0;
        } else {
            state.failures += 1;
            state.failures_in_a_row += 1;
            self.log_failure(&mut state, result, detail);
        }
        state.failures_in_a_row
    }

    /// Logs the first failure in a row, then one a minute: some tasks run several times a second.
    fn log_failure(&self, state: &mut State, result: RunResult, detail: &str) {
        let (task, failures_in_a_row) = (&self.name, state.failures_in_a_row);
        if result == RunResult::Panicked {
            tracing::error!(task, panic = detail, failures_in_a_row, "background task panicked");
        } else if state.logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            tracing::warn!(task, error = detail, failures_in_a_row, "background task failed");
            state.logged_at = Some(Instant::now());
        }
    }

    fn log_recovery(&self, state: &mut State) {
        if state.failures_in_a_row > 0 {
            let failures_in_a_row = state.failures_in_a_row;
            tracing::info!(task = self.name, failures_in_a_row, "background task recovered");
        }
        state.logged_at = None;
    }

    fn has_been_stable(&self, elapsed: Duration) -> bool {
        matches!(self.kind, Kind::Service { stable_after } if elapsed >= stable_after)
    }

    fn snapshot(&self) -> BackgroundTask {
        let state = lock(&self.state);
        let period = match self.kind {
            Kind::Periodic { period, .. } => Some(period.as_secs_f64()),
            Kind::Service { .. } => None,
        };
        BackgroundTask {
            name: self.name.clone(),
            period_seconds: period,
            state: self.task_state(&state),
            is_running: state.running_since.is_some(),
            last_started_at: state.last_started_at,
            last_duration_ms: state.last_duration.map(milliseconds),
            last_result: state.last_result,
            last_detail: Some(state.last_detail.clone()).filter(|detail| !detail.is_empty()),
            runs: state.runs,
            failures: state.failures,
        }
    }

    fn task_state(&self, state: &State) -> TaskState {
        let running_for = state.running_since.map(|since| since.elapsed());
        let has_recovered = running_for.is_some_and(|elapsed| self.has_been_stable(elapsed));
        if state.failures_in_a_row >= FAILING_AFTER && !has_recovered {
            return TaskState::Failing;
        }
        let is_late = state.next_start.is_some_and(|at| at.elapsed() > START_TOLERANCE);
        let is_long = match self.kind {
            Kind::Periodic { max_run, .. } => running_for.is_some_and(|elapsed| elapsed > max_run),
            Kind::Service { .. } => false,
        };
        if is_late || is_long { TaskState::Overdue } else { TaskState::Ok }
    }
}

/// Milliseconds with three decimals.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// A panic while the lock is held leaves counts that are still good enough to show.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
