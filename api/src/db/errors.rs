//! Maps errors of the database to responses: temporary ones to 503 with `Retry-After`, all others
//! to 500.

use diesel::result::Error as DbError;
use diesel_async::pooled_connection::deadpool::PoolError;

use super::sqlstate::TemporaryFailure;
use super::transaction::violated_check;
use crate::error::{Error, ErrorCode};

/// The database's rule that an admin who can sign in remains.
const LAST_ADMIN_CHECK: &str = "users_last_admin_check";

impl Error {
    /// The response to a temporary failure of the database. The request may be sent again.
    fn temporary(failure: TemporaryFailure) -> Self {
        let (code, seconds, detail) = match failure {
            TemporaryFailure::StorageFull => (ErrorCode::StorageFull, 10, "The disk of the database is full. Tell an admin, then try again later."),
            TemporaryFailure::ReadOnly => (ErrorCode::Unavailable, 5, "The database is read-only at the moment. Try again in a moment."),
            TemporaryFailure::ConnectionLost => (ErrorCode::Unavailable, 1, "The database is temporarily unavailable. Try again in a moment."),
            TemporaryFailure::Overloaded => (ErrorCode::Unavailable, 5, "The database is overloaded. Try again in a moment."),
            TemporaryFailure::Conflict | TemporaryFailure::TimedOut => {
                (ErrorCode::Unavailable, 1, "Other people are changing the same bags. Try again.")
            }
        };
        Self::refused(code, detail).with_retry_after(seconds)
    }
}

impl From<anyhow::Error> for Error {
    fn from(cause: anyhow::Error) -> Self {
        let failure = cause.chain().find_map(|cause| cause.downcast_ref::<DbError>()).and_then(TemporaryFailure::of_error);
        failure.map_or_else(|| Self::Internal(cause), Self::temporary)
    }
}

impl From<DbError> for Error {
    fn from(cause: DbError) -> Self {
        if violated_check(&cause) == Some(LAST_ADMIN_CHECK) {
            return Self::refused(ErrorCode::LastAdmin, "This is the last admin who can sign in. Make another person an admin first.");
        }
        let Some(failure) = TemporaryFailure::of_error(&cause) else { return Self::Internal(cause.into()) };
        tracing::warn!(error = %cause, ?failure, "temporary failure of the database");
        Self::temporary(failure)
    }
}

impl From<PoolError> for Error {
    fn from(cause: PoolError) -> Self {
        tracing::warn!(error = %cause, "no database connection");
        match cause {
            PoolError::Backend(_) => Self::temporary(TemporaryFailure::ConnectionLost),
            _ => Self::unavailable("The server is busy. Try again in a moment."),
        }
    }
}
