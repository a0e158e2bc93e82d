//! E-mails as jobs. A job names what to write to whom; addresses and links are made when it is sent, so that the queue
//! holds no secret and nothing goes to an address that is no longer theirs.

use actix_web::web;
use anyhow::{Context, anyhow};
use chrono::{DateTime, NaiveDate, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::mailer::Mail;
use super::templates::{Content, render};
use crate::account::password_reset;
use crate::db::sql;
use crate::db::sql::Counted;
use crate::identity::UserId;
use crate::jobs::{BackgroundJob, JobContext, JobError, JobRegistry, NewJob, enqueue};
use crate::mail::Mailer;
use crate::state::AppState;
use crate::users::model::UserRow;
use crate::users::queries;

/// An e-mail in the job queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "mail", rename_all = "snake_case")]
pub enum MailJob {
    /// The link to a new password. Without a user when the requested address is unknown: nothing is
    /// sent then, but the request took as long.
    PasswordReset { user_id: Option<UserId> },
    /// A notice that the password was changed.
    PasswordChanged { user_id: UserId, at: DateTime<Utc> },
    /// The summary of a day.
    EndOfDay { user_id: UserId, date: NaiveDate },
}

/// Adds the jobs of this feature.
pub fn register_jobs(registry: &mut JobRegistry<web::Data<AppState>>) {
    registry.register::<MailJob>();
}

impl MailJob {
    /// Enqueues the e-mail in the transaction of `conn`. Wake the workers (`state.jobs.now()`)
    /// after the commit.
    ///
    /// # Errors
    /// Fails if the database can't be written.
    pub async fn enqueue(&self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        enqueue(conn, NewJob::new(self)).await?;
        Ok(())
    }

    fn user_id(&self) -> Option<UserId> {
        match self {
            Self::PasswordReset { user_id } => *user_id,
            Self::PasswordChanged { user_id, .. } | Self::EndOfDay { user_id, .. } => Some(*user_id),
        }
    }
}

impl BackgroundJob for MailJob {
    const KIND: &'static str = "email";
    type Context = web::Data<AppState>;

    /// Sends the e-mail. The result says whether there was a recipient.
    async fn run(&self, ctx: &JobContext<Self::Context>) -> Result<Value, JobError> {
        let state = &ctx.app;
        let erased_before = erased_people(state).await?;
        let found = match self.user_id() {
            Some(id) => queries::find(&mut *state.pool.get().await?, id).await?,
            None => None,
        };
        let active = found.map(|(row, _)| row).filter(|row| row.is_active);
        let recipient = active.and_then(|row| row.email.clone().map(|to| (row, to)));
        let Some((row, to)) = recipient else { return Ok(json!({"sent": false})) };
        let content = write(state, self, &row).await?;
        state.part::<Mailer>().send(&Mail { id: ctx.id, to, content }).await?;
        // A file must not hold the name of a person who was erased while it was being written.
        if state.part::<Mailer>().keeps_files() && erased_people(state).await? != erased_before {
            state.part::<Mailer>().delete_file(ctx.id).await?;
            let error = anyhow!("a user was deleted while the e-mail was being written");
            return Err(JobError::Retry(error));
        }
        Ok(json!({"sent": true}))
    }
}

/// How many people have been deleted.
async fn erased_people(state: &AppState) -> crate::error::Result<i64> {
    let count = sql("SELECT count(*) AS n FROM users WHERE anonymised_at IS NOT NULL");
    let rows: Vec<Counted> = count.load(&mut *state.pool.get().await?).await?;
    Ok(rows.into_iter().next().map_or(0, |row| row.n))
}

async fn write(state: &AppState, mail: &MailJob, row: &UserRow) -> Result<Content, JobError> {
    let public_url = state.config.public_url.as_deref().context("the public address is set at start")?;
    let username = &row.username;
    let content = match mail {
        MailJob::PasswordReset { .. } => {
            let token = password_reset::issue(&mut *state.pool.get().await?, row.id, &state.config).await?;
            // After the #: what stands there reaches no server and no log.
            let link = format!("{public_url}/reset-password#token={token}");
            let minutes = state.config.password_reset_seconds / 60;
            render("password_reset", row.language, json!({"username": username, "link": link, "minutes": minutes, "public_url": public_url}))
        }
        MailJob::PasswordChanged { at, .. } => {
            let time = at.with_timezone(&state.config.time_zone).format("%d.%m.%Y %H:%M %Z").to_string();
            render("password_changed", row.language, json!({"username": username, "time": time, "public_url": public_url}))
        }
        MailJob::EndOfDay { date, .. } => {
            let context = crate::reports::end_of_day::mail_context(state, *date, username, public_url).await?;
            render("end_of_day", row.language, context)
        }
    };
    content.map_err(JobError::Permanent)
}
