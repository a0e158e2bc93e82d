//! Counting a failed attempt, recording it in the audit log, and answering it.

use diesel_async::AsyncPgConnection;
use serde_json::json;

use crate::access::attempts::{Attempt, Failure};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::config::Config;
use crate::db::transaction;
use crate::error::{Error, Result};
use crate::identity::UserId;
use crate::state::AppState;

/// A failed attempt that the audit log records.
pub struct FailedAttempt<'a> {
    pub attempt: &'a Attempt,
    /// Not the owner of the account, unless they are signed in: every visitor can try.
    pub actor: &'a Actor,
    /// The account, if there is one.
    pub user: Option<UserId>,
    /// What was wrong.
    pub reason: &'static str,
}

impl FailedAttempt<'_> {
    /// Counts and records it in the transaction that `conn` is in, and gives the answer: `wrong`
    /// when it was tried. Refused attempts are not recorded, so that a flood of them does not fill
    /// the audit log.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn record(self, conn: &mut AsyncPgConnection, config: &Config, wrong: Error) -> diesel::QueryResult<Error> {
        let failure = self.attempt.fail(conn, config).await?;
        if let Failure::Counted { locked_until } = failure {
            let about = self.user.map_or_else(|| "unknown".to_owned(), |user| user.to_string());
            let mut entries = vec![Entry::new(Action::SignInFailed, Entity::User, &about).after(json!({"reason": self.reason}))];
            if let Some(until) = locked_until {
                entries.push(Entry::new(Action::SignInLocked, Entity::User, &about).after(json!({"locked_until": until})));
            }
            audit::record(conn, self.actor, entries).await?;
        }
        Ok(answer(failure, wrong))
    }
}

/// Counts a failed attempt that the audit log does not record, and gives the answer: `wrong` when
/// it was tried.
///
/// # Errors
/// When the database can't be written.
pub async fn count(state: &AppState, attempt: &Attempt, wrong: Error) -> Result<Error> {
    let mut conn = state.pool.get().await?;
    let failure = transaction(&mut conn, async |conn| Ok(attempt.fail(conn, &state.config).await?)).await?;
    Ok(answer(failure, wrong))
}

fn answer(failure: Failure, wrong: Error) -> Error {
    match failure {
        Failure::Counted { .. } => wrong,
        Failure::Refused(refusal) => refusal.into(),
    }
}
