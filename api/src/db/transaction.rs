//! One transaction, tried again when PostgreSQL says that trying again will help.

use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection, TransactionManager};

use super::sqlstate::TemporaryFailure;
use crate::error::{Error, Result};

/// A deadlock or serialization failure is tried this often in all.
const TRIES: u32 = 3;

type Manager = <AsyncPgConnection as AsyncConnection>::TransactionManager;

/// Why a transaction ended without a commit.
pub enum Abort {
    /// The work said no; this is the answer.
    Error(Error),
    /// The database said no.
    Database(diesel::result::Error),
}

impl From<diesel::result::Error> for Abort {
    fn from(cause: diesel::result::Error) -> Self {
        Self::Database(cause)
    }
}

impl From<Error> for Abort {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Runs `work` in one transaction: committed when it returns `Ok`, rolled back otherwise.
///
/// # Errors
/// What `work` returned; [`crate::error::ErrorCode::Unavailable`] when deadlocks (SQLSTATE 40P01) or
/// serialization failures (40001) came three times in a row.
pub async fn transaction<T, F>(conn: &mut AsyncPgConnection, work: F) -> Result<T>
where
    F: AsyncFn(&mut AsyncPgConnection) -> Result<T, Abort>,
{
    let mut attempt = 1;
    loop {
        match once(conn, &work).await {
            Ok(value) => return Ok(value),
            Err(Abort::Error(error)) => return Err(error),
            Err(Abort::Database(cause)) if attempt < TRIES && is_worth_retrying(&cause) => {
                tracing::warn!(error = %cause, attempt, "transaction tried again");
                tokio::time::sleep(jitter(attempt)).await;
                attempt += 1;
            }
            Err(Abort::Database(cause)) if is_worth_retrying(&cause) => {
                return Err(Error::unavailable("Others were changing the same bags. Try again."));
            }
            Err(Abort::Database(cause)) => return Err(cause.into()),
        }
    }
}

/// A future dropped half-way leaves the transaction open; the pool sees that and throws the connection away.
async fn once<T, F>(conn: &mut AsyncPgConnection, work: &F) -> Result<T, Abort>
where
    F: AsyncFn(&mut AsyncPgConnection) -> Result<T, Abort>,
{
    Manager::begin_transaction(conn).await?;
    match work(conn).await {
        Ok(value) => {
            Manager::commit_transaction(conn).await?;
            Ok(value)
        }
        Err(abort) => {
            if let Err(cause) = Manager::rollback_transaction(conn).await {
                tracing::warn!(error = %cause, "the rollback failed; the connection is closed");
            }
            Err(abort)
        }
    }
}

/// Deadlock, serialization failure, or a change of partitions: the same transaction may well succeed the next time.
pub fn is_worth_retrying(cause: &diesel::result::Error) -> bool {
    TemporaryFailure::of_error(cause) == Some(TemporaryFailure::Conflict)
}

/// The check that a statement broke: a constraint of a table, or a rule that a trigger raises under
/// a name.
pub fn violated_check(cause: &diesel::result::Error) -> Option<&str> {
    match cause {
        diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::CheckViolation, information) => information.constraint_name(),
        _ => None,
    }
}

/// 5 to 30 ms times the attempt, so that two that collided don't collide again.
pub fn jitter(attempt: u32) -> Duration {
    Duration::from_millis(u64::from(attempt) * rand::random_range(5..30))
}
