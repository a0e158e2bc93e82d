//! What a fault of the database is for the caller: temporary, with a time to come back, or a fault of ours.

use diesel::result::Error as DbError;
use diesel_async::pooled_connection::deadpool::PoolError;

use super::{Error, ErrorCode};
use crate::db::sqlstate::Trouble;
use crate::db::transaction::violated_check;

/// The database's rule that an admin who can sign in remains.
const LAST_ADMIN_CHECK: &str = "users_last_admin_check";

impl Error {
    /// The database can't do it now, through no fault of the request; what was sent may be sent again.
    fn temporary(trouble: Trouble) -> Self {
        let (code, seconds, detail) = match trouble {
            Trouble::StorageFull => (ErrorCode::StorageFull, 10, "The disk of the database is full. Tell your admin, and try again later."),
            Trouble::ReadOnly => (ErrorCode::Unavailable, 5, "The database can only be read just now. Try again in a moment."),
            Trouble::ConnectionLost => (ErrorCode::Unavailable, 1, "The database is away for a moment. Try again."),
            Trouble::Overloaded => (ErrorCode::Unavailable, 5, "The database is overloaded. Try again in a moment."),
            Trouble::Conflict | Trouble::TimedOut => (ErrorCode::Unavailable, 1, "Others are changing the same bags. Try again."),
        };
        Self::refused(code, detail).with_retry_after(seconds)
    }
}

impl From<anyhow::Error> for Error {
    fn from(cause: anyhow::Error) -> Self {
        let trouble = cause.chain().find_map(|cause| cause.downcast_ref::<DbError>()).and_then(Trouble::of_error);
        trouble.map_or_else(|| Self::Internal(cause), Self::temporary)
    }
}

impl From<DbError> for Error {
    fn from(cause: DbError) -> Self {
        if violated_check(&cause) == Some(LAST_ADMIN_CHECK) {
            return Self::refused(ErrorCode::LastAdmin, "This is the last admin who can sign in. Make another person an admin first.");
        }
        let Some(trouble) = Trouble::of_error(&cause) else { return Self::Internal(cause.into()) };
        tracing::warn!(error = %cause, ?trouble, "the database can't do it now");
        Self::temporary(trouble)
    }
}

impl From<PoolError> for Error {
    fn from(cause: PoolError) -> Self {
        tracing::warn!(error = %cause, "no database connection");
        match cause {
            PoolError::Backend(_) => Self::temporary(Trouble::ConnectionLost),
            _ => Self::unavailable("The server is busy. Try again in a moment."),
        }
    }
}
