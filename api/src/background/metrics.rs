//! The metrics of one task.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{Counter, Histogram, counter, gauge, histogram};

use super::status::RunResult;

/// Handles of the metrics of one task.
pub(super) struct TaskMetrics {
    name: String,
    succeeded: Counter,
    failed: Counter,
    panicked: Counter,
    duration: Histogram,
}

impl TaskMetrics {
    /// Registers the counters with 0, so that the first failure shows as an increase.
    pub fn new(name: &str) -> Self {
        let runs = |result: RunResult| {
            let labels = [("task", name.to_owned()), ("result", result.as_str().to_owned())];
            let runs = counter!("background_task_runs_total", &labels);
            runs.increment(0);
            runs
        };
        Self {
            succeeded: runs(RunResult::Succeeded),
            failed: runs(RunResult::Failed),
            panicked: runs(RunResult::Panicked),
            duration: histogram!("background_task_duration_seconds", "task" => name.to_owned()),
            name: name.to_owned(),
        }
    }

    /// Records a run that has ended.
    pub fn record(&self, result: RunResult, duration: Duration) {
        self.duration.record(duration);
        match result {
            RunResult::Succeeded => self.succeeded.increment(1),
            RunResult::Failed => self.failed.increment(1),
            RunResult::Panicked => self.panicked.increment(1),
        }
        if result == RunResult::Succeeded {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            // Absent until the first success: 0 would look like a success in 1970.
            gauge!("background_task_last_success_timestamp_seconds", "task" => self.name.clone()).set(now.as_secs_f64());
        }
    }
}
