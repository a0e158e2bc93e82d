//! Which kinds of jobs this process can run. Features register theirs.

use std::collections::HashMap;

use anyhow::{Context, anyhow};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::job::{BackgroundJob, JobContext, JobError};

type Runner<C> = fn(Value, JobContext<C>) -> BoxFuture<'static, Result<Value, JobError>>;

/// Maps kinds of jobs to the code that runs them.
pub struct JobRegistry<C> {
    runners: HashMap<&'static str, Runner<C>>,
}

impl<C> Default for JobRegistry<C> {
    fn default() -> Self {
        Self { runners: HashMap::new() }
    }
}

impl<C: Clone + Send + Sync + 'static> JobRegistry<C> {
    /// Adds a kind of job.
    ///
    /// # Panics
    /// Panics if the kind is registered already: one of the two could never run.
    pub fn register<J: BackgroundJob<Context = C>>(&mut self) {
        let replaced = self.runners.insert(J::KIND, |payload, ctx| run::<J>(payload, ctx).boxed());
        assert!(replaced.is_none(), "two jobs are of kind {}", J::KIND);
    }

    /// Runs a job of any kind.
    ///
    /// # Errors
    /// Fails permanently if the kind is unknown or the payload is not one of its kind; otherwise as
    /// the job fails.
    pub async fn run(&self, kind: &str, payload: Value, ctx: JobContext<C>) -> Result<Value, JobError> {
        let Some(runner) = self.runners.get(kind) else {
            let error = anyhow!("this version does not support jobs of kind {kind}");
            return Err(JobError::Permanent(error));
        };
        runner(payload, ctx).await
    }
}

async fn run<J: BackgroundJob>(payload: Value, ctx: JobContext<J::Context>) -> Result<Value, JobError> {
    let job: J =
        serde_json::from_value(payload).with_context(|| format!("the payload is not one of kind {}", J::KIND)).map_err(JobError::Permanent)?;
    job.run(&ctx).await
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Add {
        number: i64,
    }

    impl BackgroundJob for Add {
        const KIND: &'static str = "add";
        type Context = i64;

        async fn run(&self, ctx: &JobContext<i64>) -> Result<Value, JobError> {
            Ok(json!(self.number + ctx.app))
        }
    }

    fn registry() -> JobRegistry<i64> {
        let mut registry = JobRegistry::default();
        registry.register::<Add>();
        registry
    }

    async fn run(kind: &str, payload: Value) -> Result<Value, String> {
        let ctx = JobContext { app: 40, id: Uuid::nil(), attempt: 1, max_attempts: 5 };
        match registry().run(kind, payload, ctx).await {
            Ok(result) => Ok(result),
            Err(JobError::Permanent(error)) => Err(format!("{error:#}")),
            Err(JobError::Retry(error)) => panic!("{error:#} is not worth a retry"),
        }
    }

    #[tokio::test]
    async fn a_job_runs_with_its_payload_and_the_application() {
        assert_eq!(run("add", json!({"number": 2})).await, Ok(json!(42)));
    }

    #[tokio::test]
    async fn a_job_that_can_t_be_read_fails_with_the_reason() {
        let unknown = run("subtract", json!({})).await;
        assert_eq!(unknown, Err("this version does not support jobs of kind subtract".into()));
        let malformed = run("add", json!({"number": "two"})).await.expect_err("fails");
        assert!(malformed.starts_with("the payload is not one of kind add: "), "{malformed}");
    }

    #[test]
    #[should_panic(expected = "two jobs are of kind add")]
    fn two_jobs_of_one_kind_are_refused() {
        registry().register::<Add>();
    }
}
