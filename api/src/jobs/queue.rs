//! The jobs table as a queue.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::result::Error as DbError;
use diesel::sql_types::{BigInt, Bool, Jsonb, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::job::BackgroundJob;
use crate::db::sql;
use crate::identity::UserId;

/// Duration of a lease. A worker renews its lease well before it ends; a worker that died keeps its
/// job no longer than this.
pub const LEASE: TimeDelta = TimeDelta::seconds(60);

/// Columns of a [`Job`](super::model::Job).
pub const SELECT: &str = "SELECT j.id, j.kind, j.status, j.progress, j.result, j.error, j.attempts, j.max_attempts, j.run_at, j.created_at, \
     j.started_at, j.finished_at FROM jobs j ";

/// A job to enqueue.
pub struct NewJob<'a, J> {
    job: &'a J,
    unique_key: Option<String>,
    created_by: Option<UserId>,
}

impl<'a, J: BackgroundJob> NewJob<'a, J> {
    /// A job that runs as soon as a worker is free.
    pub fn new(job: &'a J) -> Self {
        Self { job, unique_key: None, created_by: None }
    }

    /// At most one job ever has this key. A second one is not created.
    pub fn unique_key(self, key: String) -> Self {
        Self { unique_key: Some(key), ..self }
    }

    /// The user whose request needs the job.
    pub fn created_by(self, user: UserId) -> Self {
        Self { created_by: Some(user), ..self }
    }
}

/// Inserts a job in the transaction of `conn`. Returns `None` if a job with its unique key exists.
///
/// # Errors
/// Fails if the database can't be written.
pub async fn enqueue<J: BackgroundJob>(conn: &mut AsyncPgConnection, new: NewJob<'_, J>) -> QueryResult<Option<Uuid>> {
    let id = Uuid::now_v7();
    let inserted = sql("INSERT INTO jobs (id, kind, payload, unique_key, created_by, max_attempts) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL DO NOTHING")
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(J::KIND)
    .bind::<Jsonb, _>(payload_of(new.job)?)
    .bind::<Nullable<Text>, _>(new.unique_key)
    .bind::<Nullable<BigInt>, _>(new.created_by)
    .bind::<SmallInt, _>(J::MAX_ATTEMPTS)
    .execute_on(conn)
    .await?;
    Ok((inserted == 1).then_some(id))
}

/// The payload of a job as it is stored.
///
/// # Errors
/// Fails if the job is not representable as JSON.
pub fn payload_of(job: &impl BackgroundJob) -> QueryResult<Value> {
    serde_json::to_value(job).map_err(|error| DbError::SerializationError(error.into()))
}

/// A job that a worker has claimed.
#[derive(Debug, QueryableByName)]
pub struct ClaimedJob {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Jsonb)]
    pub payload: Value,
    #[diesel(sql_type = SmallInt)]
    pub attempts: i16,
    #[diesel(sql_type = SmallInt)]
    pub max_attempts: i16,
}

/// Claims the job that has been due longest, if any: a queued job, or one whose worker died.
pub async fn claim(conn: &mut AsyncPgConnection) -> QueryResult<Option<ClaimedJob>> {
    // A job whose worker died on the last attempt has failed. Only the next worker can record that.
    sql("UPDATE jobs SET status = 'failed', finished_at = now(), leased_until = NULL, error = coalesce(error, 'The worker died.') \
         WHERE status = 'running' AND leased_until < now() AND attempts >= max_attempts")
    .execute_on(conn)
    .await?;
    let rows: Vec<ClaimedJob> = sql("UPDATE jobs SET status = 'running', attempts = attempts + 1, leased_until = now() + $1 * interval '1 second', \
                started_at = coalesce(started_at, now()) \
         WHERE id = (SELECT id FROM jobs WHERE status IN ('queued', 'running') AND run_at <= now() \
                     AND (status = 'queued' OR leased_until < now()) ORDER BY run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) \
         RETURNING id, kind, payload, attempts, max_attempts")
    .bind::<BigInt, _>(LEASE.num_seconds())
    .load(conn)
    .await?;
    Ok(rows.into_iter().next())
}

/// Extends the lease of a job. Returns `false` if another worker has claimed the job.
pub async fn renew(conn: &mut AsyncPgConnection, id: Uuid, attempt: i16) -> QueryResult<bool> {
    let renewed = sql("UPDATE jobs SET leased_until = now() + $3 * interval '1 second' WHERE id = $1 AND status = 'running' AND attempts = $2")
        .bind::<SqlUuid, _>(id)
        .bind::<SmallInt, _>(attempt)
        .bind::<BigInt, _>(LEASE.num_seconds())
        .execute_on(conn)
        .await?;
    Ok(renewed == 1)
}

/// Records the progress of a job.
pub async fn set_progress(conn: &mut AsyncPgConnection, id: Uuid, progress: &Value) -> QueryResult<()> {
    sql("UPDATE jobs SET progress = $2 WHERE id = $1").bind::<SqlUuid, _>(id).bind::<Jsonb, _>(progress).execute_on(conn).await?;
    Ok(())
}

/// Records that a job succeeded.
pub async fn succeed(conn: &mut AsyncPgConnection, id: Uuid, attempt: i16, result: &Value) -> QueryResult<()> {
    sql("UPDATE jobs SET status = 'succeeded', finished_at = now(), leased_until = NULL, error = NULL, result = $3 WHERE id = $1 AND attempts = $2")
        .bind::<SqlUuid, _>(id)
        .bind::<SmallInt, _>(attempt)
        .bind::<Jsonb, _>(result)
        .execute_on(conn)
        .await?;
    Ok(())
}

/// Records that an attempt failed. Without `retry_at` the job has failed for good.
pub async fn fail(conn: &mut AsyncPgConnection, id: Uuid, attempt: i16, error: &str, retry_at: Option<DateTime<Utc>>) -> QueryResult<()> {
    sql("UPDATE jobs SET status = CASE WHEN $4 THEN 'queued' ELSE 'failed' END::job_status, error = $3, leased_until = NULL, \
                run_at = coalesce($5, run_at), finished_at = CASE WHEN $4 THEN NULL ELSE now() END \
         WHERE id = $1 AND attempts = $2")
    .bind::<SqlUuid, _>(id)
    .bind::<SmallInt, _>(attempt)
    .bind::<Text, _>(error)
    .bind::<Bool, _>(retry_at.is_some())
    .bind::<Nullable<Timestamptz>, _>(retry_at)
    .execute_on(conn)
    .await?;
    Ok(())
}
