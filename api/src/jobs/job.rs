//! What a job is to the feature that owns it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

/// A kind of job. The value is the payload: what is stored in the queue until the job runs.
pub trait BackgroundJob: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of the kind in the database, the API and the logs. It must not change while jobs of
    /// this kind are queued.
    const KIND: &'static str;
    /// How often the job is attempted before it has failed for good.
    const MAX_ATTEMPTS: i16 = 5;
    /// What a run needs of the application.
    type Context: Clone + Send + Sync + 'static;

    /// Runs the job. It must be idempotent: a worker that dies leaves the job to another one.
    /// Returns the result that admins see.
    fn run(&self, ctx: &JobContext<Self::Context>) -> impl Future<Output = Result<Value, JobError>> + Send;
}

/// One attempt at a job.
#[derive(Debug, Clone)]
pub struct JobContext<C> {
    /// What the run needs of the application.
    pub app: C,
    /// The id of the job: the same in every attempt.
    pub id: Uuid,
    /// The number of this attempt, from 1.
    pub attempt: i16,
    pub max_attempts: i16,
}

impl<C> JobContext<C> {
    /// Returns `true` if the job is not retried after this attempt.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt >= self.max_attempts
    }
}

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
