//! The workers of this process: claim a job, run it, record the result. They know no kind of job.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use chrono::{TimeDelta, Utc};
use futures_util::FutureExt;
use serde_json::Value;
use tokio::sync::Notify;

use super::job::{JobContext, JobError};
use super::queue::{self, ClaimedJob};
use super::registry::JobRegistry;
use crate::db::Pool;
use crate::error::{Error, Result};

/// Interval at which workers poll for retries and for jobs of other processes.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Interval at which a lease is renewed.
const RENEW_INTERVAL: Duration = Duration::from_secs(20);
/// Delay before the first retry. Each further retry waits four times as long.
const FIRST_RETRY: TimeDelta = TimeDelta::seconds(15);

/// Wakes the workers of this process when this process has enqueued a job.
#[derive(Clone, Default)]
pub struct WakeUp(Arc<Notify>);

impl WakeUp {
    /// Call it after the commit.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

/// Runs jobs, one after the other.
pub struct Worker<C> {
    pool: Pool,
    registry: JobRegistry<C>,
    wake_up: WakeUp,
    app: C,
}

impl<C: Clone + Send + Sync + 'static> Worker<C> {
    /// A worker for the registered kinds. `app` is what the jobs need of the application.
    pub fn new(pool: Pool, registry: JobRegistry<C>, wake_up: WakeUp, app: C) -> Self {
        Self { pool, registry, wake_up, app }
    }

    /// Runs jobs until the future is dropped.
    pub async fn run(&self) -> ! {
        loop {
            match self.claim_and_run().await {
                Ok(true) => {}
                Ok(false) => {
                    let woken = self.wake_up.0.notified();
                    let _timed_out = tokio::time::timeout(POLL_INTERVAL, woken).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "could not claim a job");
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
            }
        }
    }

    /// Returns `false` if no job is due.
    async fn claim_and_run(&self) -> Result<bool> {
        let Some(job) = queue::claim(&mut *self.pool.get().await?).await? else { return Ok(false) };
        tracing::info!(job_id = %job.id, kind = job.kind, attempt = job.attempts, "job claimed");
        let outcome = tokio::select! {
            outcome = AssertUnwindSafe(self.run_job(&job)).catch_unwind() => outcome,
            () = self.keep_lease(&job) => return Ok(true),
        };
        let panicked = |_| Err(JobError::Permanent(anyhow!("the job panicked")));
        self.record(&job, outcome.unwrap_or_else(panicked)).await?;
        Ok(true)
    }

    async fn run_job(&self, job: &ClaimedJob) -> Result<Value, JobError> {
        let (attempt, max_attempts) = (job.attempts, job.max_attempts);
        let ctx = JobContext { app: self.app.clone(), id: job.id, attempt, max_attempts };
        self.registry.run(&job.kind, job.payload.clone(), ctx).await
    }

    async fn record(&self, job: &ClaimedJob, outcome: Result<Value, JobError>) -> Result<()> {
        let mut conn = self.pool.get().await?;
        let (cause, may_retry) = match outcome {
            Ok(result) => {
                return Ok(queue::succeed(&mut conn, job.id, job.attempts, &result).await?);
            }
            Err(JobError::Retry(cause)) => (cause, job.attempts < job.max_attempts),
            Err(JobError::Permanent(cause)) => (cause, false),
        };
        let error = format!("{cause:#}");
        tracing::warn!(job_id = %job.id, kind = job.kind, error, may_retry, "job failed");
        let retry_at = may_retry.then(|| Utc::now() + back_off(job.attempts));
        Ok(queue::fail(&mut conn, job.id, job.attempts, &error, retry_at).await?)
    }

    /// Returns only if another worker has claimed the job.
    async fn keep_lease(&self, job: &ClaimedJob) {
        loop {
            tokio::time::sleep(RENEW_INTERVAL).await;
            let renewed = async {
                let mut conn = self.pool.get().await?;
                Ok::<_, Error>(queue::renew(&mut conn, job.id, job.attempts).await?)
            };
            if let Ok(false) = renewed.await {
                tracing::warn!(job_id = %job.id, "another worker has claimed the job");
                return;
            }
        }
    }
}

fn back_off(attempts: i16) -> TimeDelta {
    let times = 4_i32.saturating_pow(u32::try_from(attempts.max(1) - 1).unwrap_or(0));
    (FIRST_RETRY * times).min(TimeDelta::hours(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_back_off_exponentially_up_to_six_hours() {
        let seconds: Vec<i64> = (1..=8).map(|attempt| back_off(attempt).num_seconds()).collect();
        assert_eq!(seconds, [15, 60, 240, 960, 3840, 15360, 21600, 21600]);
    }
}
