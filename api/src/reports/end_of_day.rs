//! The daily summary by e-mail: sent once a day, whatever the number of processes.

use std::time::Duration;

use actix_web::web;
use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Array, BigInt, Jsonb, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::summaries;
use crate::audit::Action;
use crate::db::sql;
use crate::documents::document::decimal;
use crate::error::Result;
use crate::identity::UserId;
use crate::jobs::model::JobKind;
use crate::jobs::queue::TakenJob;
use crate::jobs::worker::JobError;
use crate::jobs::{NewJob, enqueue};
use crate::mail::MailJob;
use crate::state::AppState;
use crate::stats::breakdowns::Day;

/// Interval at which the time is checked.
const INTERVAL: Duration = Duration::from_secs(20);
/// Number of people listed in the e-mail. The report lists all.
const MAX_PEOPLE: usize = 10;

#[derive(Serialize, Deserialize)]
struct Payload {
    date: NaiveDate,
}

/// Checks the time until the task is aborted.
pub async fn keep_sending(state: web::Data<AppState>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = enqueue_when_due(&state, Utc::now()).await {
            tracing::warn!(%error, "could not enqueue the end-of-day summary");
        }
    }
}

/// Enqueues today's job when it is due. The unique key of the job admits it from one process only.
///
/// # Errors
/// Fails if the database can't be written.
pub async fn enqueue_when_due(state: &AppState, now: DateTime<Utc>) -> Result<bool> {
    let Some(at) = state.config.end_of_day_at.0 else { return Ok(false) };
    let local = now.with_timezone(&state.config.time_zone);
    if local.time() < at {
        return Ok(false);
    }
    let date = local.date_naive();
    let payload = serde_json::to_value(Payload { date }).map_err(anyhow::Error::from)?;
    let job = NewJob { unique_key: Some(format!("end_of_day:{date}")), ..NewJob::new(JobKind::EndOfDay, payload) };
    let is_enqueued = enqueue(&mut *state.pool.get().await?, job).await?.is_some();
    if is_enqueued {
        state.jobs.now();
    }
    Ok(is_enqueued)
}

/// Enqueues an e-mail for each recipient of the summary, and writes an audit entry. Idempotent: a
/// second run enqueues no e-mail twice.
///
/// # Errors
/// Fails if the database can't be read or written.
pub async fn send(state: &AppState, job: &TakenJob) -> Result<Value, JobError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let Payload { date } = serde_json::from_value(job.payload.clone()).map_err(|error| JobError::Permanent(error.into()))?;
    let mut conn = state.pool.get().await?;
    let roles: Vec<&str> = state.config.end_of_day_roles.iter().map(|role| role.as_str()).collect();
    let people: Vec<Row> = sql("SELECT id AS n FROM users WHERE is_active AND email IS NOT NULL AND role::text = ANY($1) ORDER BY id")
        .bind::<Array<Text>, _>(roles)
        .load(&mut conn)
        .await?;
    let ids: Vec<Uuid> = people.iter().map(|_| Uuid::now_v7()).collect();
    let keys: Vec<String> = people.iter().map(|person| format!("end_of_day:{date}:{}", person.n)).collect();
    let payloads = people.iter().map(|person| serde_json::to_value(MailJob::EndOfDay { user_id: UserId(person.n), date }));
    let payloads: Vec<Value> = payloads.collect::<Result<_, _>>()?;
    // One statement, so that an e-mail is in the queue if and only if it is in the audit log.
    let sent: Vec<Row> = sql("WITH queued AS ( \
           INSERT INTO jobs (id, kind, payload, unique_key) SELECT * FROM unnest($1, array_fill('email'::text, ARRAY[cardinality($1)]), $2, $3) \
           ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL DO NOTHING RETURNING id), \
         audited AS ( \
           INSERT INTO audit_logs (id, action, entity_type, entity_id, after) \
           SELECT $4, $5, 'report', 'end_of_day', jsonb_build_object('date', $6, 'recipients', count(*)) FROM queued HAVING count(*) > 0) \
         SELECT count(*) AS n FROM queued")
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<Jsonb>, _>(payloads)
    .bind::<Array<Text>, _>(keys)
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<Text, _>(Action::ReportSent.as_str())
    .bind::<Text, _>(date.to_string())
    .load(&mut conn)
    .await?;
    state.jobs.now();
    Ok(json!({"recipients": sent.into_iter().next().map_or(0, |row| row.n)}))
}

/// The template variables of the e-mail.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn mail_context(state: &AppState, date: NaiveDate, username: &str, public_url: &str) -> anyhow::Result<Value> {
    let day = Day::of(state.config.time_zone, date).context("the date of the job is out of range")?;
    let report = summaries::end_of_day(&mut *state.pool.get().await?, day).await?;
    let areas: Vec<Value> = report
        .areas
        .iter()
        .map(|area| {
            let name = area.area.as_deref().unwrap_or("–");
            json!({"name": name, "scans": area.scans, "open_parents": area.open_parents, "completed_parents": area.completed_parents})
        })
        .collect();
    let people: Vec<Value> =
        report.people.iter().take(MAX_PEOPLE).map(|person| json!({"username": person.username, "scans": person.scans})).collect();
    Ok(json!({
        "username": username, "public_url": public_url, "date": date.to_string(), "scans": report.scans, "scans_day_before": report.scans_day_before,
        "bills": report.bills.bill_count, "finished": report.bills.completed_count, "weight_kg": decimal(report.bills.actual_weight_kg),
        "variance_kg": decimal(report.bills.variance_kg), "areas": areas, "people": people,
    }))
}
