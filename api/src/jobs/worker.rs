//! The workers of this process: claim a job, run it, record the result.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use chrono::{TimeDelta, Utc};
use futures_util::FutureExt;
use serde_json::Value;
use tokio::sync::Notify;

use super::model::JobKind;
use super::queue::{self, TakenJob};
use crate::state::AppState;

/// Interval at which workers poll for retries and for jobs of other processes.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Interval at which a lease is renewed.
const RENEW_INTERVAL: Duration = Duration::from_secs(20);
/// Delay before the first retry. Each further retry waits four times as long.
const FIRST_RETRY: TimeDelta = TimeDelta::seconds(15);

/// Why a job failed.
#[derive(Debug)]
pub enum JobError {
    /// A retry may succeed: for example, a mail server is unavailable.
    Retry(anyhow::Error),
    /// A retry can't succeed: for example, a file has the wrong content.
    Permanent(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for JobError {
    fn from(cause: E) -> Self {
        Self::Retry(cause.into())
    }
}

/// Wakes the workers of this process when this process has enqueued a job.
#[derive(Clone, Default)]
pub struct WakeUp(Arc<Notify>);

impl WakeUp {
    /// Call it after the commit.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

/// Runs jobs until the task is aborted.
pub async fn work(state: web::Data<AppState>) {
    loop {
        match claim_and_run(&state).await {
            Ok(true) => {}
            Ok(false) => {
                let _timed_out = tokio::time::timeout(POLL_INTERVAL, state.jobs.0.notified()).await;
            }
            Err(error) => {
                tracing::warn!(%error, "could not claim a job");
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }
}

async fn claim_and_run(state: &web::Data<AppState>) -> crate::error::Result<bool> {
    let Some(job) = queue::take(&mut *state.pool.get().await?).await? else { return Ok(false) };
    tracing::info!(job_id = %job.id, kind = job.kind, attempt = job.attempts, "job claimed");
    let outcome = tokio::select! {
        outcome = std::panic::AssertUnwindSafe(run(state, &job)).catch_unwind() => outcome.unwrap_or_else(|_| Err(JobError::Permanent(anyhow::anyhow!("the job panicked")))),
        () = keep_lease(state, &job) => return Ok(true),
    };
    let mut conn = state.pool.get().await?;
    match outcome {
        Ok(result) => queue::succeed(&mut conn, job.id, job.attempts, &result).await?,
        Err(error) => {
            let (cause, may_retry) = match error {
                JobError::Retry(cause) => (cause, job.attempts < job.max_attempts),
                JobError::Permanent(cause) => (cause, false),
            };
            tracing::warn!(job_id = %job.id, kind = job.kind, error = format!("{cause:#}"), may_retry, "job failed");
            let retry_at = may_retry.then(|| Utc::now() + back_off(job.attempts));
            queue::fail(&mut conn, job.id, job.attempts, &format!("{cause:#}"), retry_at).await?;
        }
    }
    Ok(true)
}

async fn run(state: &web::Data<AppState>, job: &TakenJob) -> Result<Value, JobError> {
    match JobKind::from_name(&job.kind) {
        Some(JobKind::Email) => crate::mail::job::run(state, job).await,
        Some(JobKind::Import) => crate::imports::run_import::run(state, job).await,
        Some(JobKind::EndOfDay) => crate::reports::end_of_day::send(state, job).await,
        None => Err(JobError::Permanent(anyhow::anyhow!("this version does not support jobs of kind {}", job.kind))),
    }
}

/// Returns only if another worker has claimed the job.
async fn keep_lease(state: &AppState, job: &TakenJob) {
    loop {
        tokio::time::sleep(RENEW_INTERVAL).await;
        let renewed = async { queue::renew(&mut *state.pool.get().await?, job.id, job.attempts).await.map_err(crate::error::Error::from) };
        if let Ok(false) = renewed.await {
            tracing::warn!(job_id = %job.id, "another worker has claimed the job");
            return;
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
