//! The daily summary by e-mail: sent once a day, whatever the number of processes.

use std::time::Duration;

use actix_web::web;
use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Array, BigInt, Jsonb, SmallInt, Text, Uuid as SqlUuid};
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
use crate::jobs::queue::payload_of;
use crate::jobs::{BackgroundJob, JobContext, JobError, JobRegistry, NewJob, enqueue};
use crate::mail::MailJob;
use crate::state::AppState;
use crate::stats::breakdowns::Day;

/// Interval at which the time is checked.
pub const INTERVAL: Duration = Duration::from_secs(20);
/// Number of people listed in the e-mail. The report lists all.
const MAX_PEOPLE: usize = 10;

/// The job that sends the summary of a day.
#[derive(Debug, Serialize, Deserialize)]
pub struct EndOfDayJob {
    date: NaiveDate,
}

/// Adds the jobs of this feature.
pub fn register_jobs(registry: &mut JobRegistry<web::Data<AppState>>) {
    registry.register::<EndOfDayJob>();
}

impl BackgroundJob for EndOfDayJob {
    const KIND: &'static str = "end_of_day";
    type Context = web::Data<AppState>;

    /// Enqueues an e-mail for each recipient of the summary, and writes an audit entry. Idempotent:
    /// a second run enqueues no e-mail twice.
    async fn run(&self, ctx: &JobContext<Self::Context>) -> Result<Value, JobError> {
        let recipients = enqueue_mails(&ctx.app, self.date).await?;
        ctx.app.jobs.now();
        Ok(json!({"recipients": recipients}))
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
    let job = EndOfDayJob { date };
    let new = NewJob::new(&job).unique_key(format!("end_of_day:{date}"));
    let is_enqueued = enqueue(&mut *state.pool.get().await?, new).await?.is_some();
    if is_enqueued {
        state.jobs.now();
    }
    Ok(is_enqueued)
}

/// Returns the number of e-mails enqueued.
async fn enqueue_mails(state: &AppState, date: NaiveDate) -> Result<i64> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let mut conn = state.pool.get().await?;
    let roles: Vec<&str> = state.config.end_of_day_roles.iter().map(|role| role.as_str()).collect();
    let people: Vec<Row> = sql("SELECT id AS n FROM users WHERE is_active AND email IS NOT NULL AND role::text = ANY($1) ORDER BY id")
        .bind::<Array<Text>, _>(roles)
        .load(&mut conn)
        .await?;
    let ids: Vec<Uuid> = people.iter().map(|_| Uuid::now_v7()).collect();
    let keys: Vec<String> = people.iter().map(|person| format!("end_of_day:{date}:{}", person.n)).collect();
    let mails = people.iter().map(|person| MailJob::EndOfDay { user_id: UserId(person.n), date });
    let payloads: Vec<Value> = mails.map(|mail| payload_of(&mail)).collect::<QueryResult<_>>()?;
    // One statement, so that an e-mail is in the queue if and only if it is in the audit log.
    let sent: Vec<Row> = sql("WITH queued AS ( \
           INSERT INTO jobs (id, kind, payload, unique_key, max_attempts) \
             SELECT id, $7, payload, unique_key, $8 FROM unnest($1, $2, $3) AS new (id, payload, unique_key) \
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
    .bind::<Text, _>(MailJob::KIND)
    .bind::<SmallInt, _>(MailJob::MAX_ATTEMPTS)
    .load(&mut conn)
    .await?;
    Ok(sent.into_iter().next().map_or(0, |row| row.n))
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
