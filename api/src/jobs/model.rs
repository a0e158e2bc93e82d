//! Jobs as rows and as JSON.

use chrono::{DateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Jsonb, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::pg_enum;

pg_enum! {
    /// The state of a job.
    JobStatus as JobStatusSql = "job_status" {
        /// Waits for a worker, or for its next attempt.
        Queued = "queued",
        /// A worker runs it.
        Running = "running",
        /// Finished successfully.
        Succeeded = "succeeded",
        /// All attempts failed; `error` says why.
        Failed = "failed",
    }
}

/// A job as admins see it, without its payload, which is private.
#[derive(Debug, Clone, Serialize, ToSchema, QueryableByName)]
pub struct Job {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// `email`, `import` or `end_of_day`.
    #[schema(example = "email")]
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = JobStatusSql)]
    pub status: JobStatus,
    /// Its progress. The content depends on the kind.
    #[schema(required, value_type = Option<Object>)]
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub progress: Option<Value>,
    /// Its result. The content depends on the kind.
    #[schema(required, value_type = Option<Object>)]
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub result: Option<Value>,
    /// Why the last attempt failed.
    #[schema(required)]
    #[diesel(sql_type = Nullable<Text>)]
    pub error: Option<String>,
    #[diesel(sql_type = SmallInt)]
    pub attempts: i16,
    #[diesel(sql_type = SmallInt)]
    pub max_attempts: i16,
    /// The job does not run before this time.
    #[diesel(sql_type = Timestamptz)]
    pub run_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[schema(required)]
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub started_at: Option<DateTime<Utc>>,
    #[schema(required)]
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub finished_at: Option<DateTime<Utc>>,
}
