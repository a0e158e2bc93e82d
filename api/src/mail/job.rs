//! E-mails as jobs. A job names what to write to whom; addresses and links are made when it is sent, so that the queue
//! holds no secret and nothing goes to an address that is no longer theirs.

use anyhow::{Context, anyhow};
use chrono::{DateTime, NaiveDate, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::mailer::Mail;
use super::templates::{Content, render};
use crate::auth::password_reset;
use crate::db::sql;
use crate::db::sql::Counted;
use crate::jobs::model::JobKind;
use crate::jobs::queue::TakenJob;
use crate::jobs::worker::JobError;
use crate::jobs::{NewJob, enqueue};
use crate::state::AppState;
use crate::users::model::{UserId, UserRow};
use crate::users::queries;

/// An e-mail to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "mail", rename_all = "snake_case")]
pub enum MailJob {
    /// The link to a new password. Nobody's, when someone asked for an address that is unknown here: then there is
    /// nothing to send, but asking took as long.
    PasswordReset { user_id: Option<UserId> },
    /// Tells that the password was changed.
    PasswordChanged { user_id: UserId, at: DateTime<Utc> },
    /// The summary of a day.
    EndOfDay { user_id: UserId, date: NaiveDate },
}

impl MailJob {
    /// Writes the job in the transaction that `conn` is in. Wake the workers (`state.jobs.now()`) after the commit.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn enqueue(&self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        let payload = serde_json::to_value(self).map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
        enqueue(conn, NewJob::new(JobKind::Email, payload)).await?;
        Ok(())
    }

    fn user_id(&self) -> Option<UserId> {
        match self {
            Self::PasswordReset { user_id } => *user_id,
            Self::PasswordChanged { user_id, .. } | Self::EndOfDay { user_id, .. } => Some(*user_id),
        }
    }
}

/// Sends the e-mail of a job; what comes of it says whether there was anybody to send it to.
///
/// # Errors
/// As [`super::Mailer::send`].
pub async fn run(state: &AppState, job: &TakenJob) -> Result<Value, JobError> {
    let mail: MailJob = serde_json::from_value(job.payload.clone()).map_err(|error| JobError::Permanent(error.into()))?;
    let erased_before = erased_people(state).await?;
    let found = match mail.user_id() {
        Some(id) => queries::find(&mut *state.pool.get().await?, id).await?,
        None => None,
    };
    let addressee = found.filter(|(row, _)| row.is_active).and_then(|(row, _)| row.email.clone().map(|email| (row, email)));
    let Some((row, to)) = addressee else { return Ok(json!({"sent": false})) };
    let content = write(state, &mail, &row).await?;
    state.mailer.send(&Mail { id: job.id, to, content }).await?;
    // A file must not hold the name of somebody who was erased while it was being written.
    if state.mailer.keeps_files() && erased_people(state).await? != erased_before {
        state.mailer.delete_file(job.id).await?;
        return Err(JobError::Retry(anyhow!("a user was deleted while the email was being written")));
    }
    Ok(json!({"sent": true}))
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
