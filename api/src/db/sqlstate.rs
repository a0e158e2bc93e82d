//! Classifies errors of the database: the only module that knows SQLSTATE codes.
//!
//! diesel's errors do not carry the code, and the message is in the language of the server. So each
//! connection records the code of every error under its message (`connect::watch`), and the
//! classification looks it up here.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use diesel::result::DatabaseErrorKind::{ClosedConnection, ReadOnlyTransaction, SerializationFailure, UnableToSendCommand};
use diesel::result::Error as DbError;

/// Messages that are recorded at most.
const MAX_RECORDED: usize = 512;

/// A temporary failure of the database. The request is not at fault and may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemporaryFailure {
    /// The connection is lost, or the server closes it. Another connection may work.
    ConnectionLost,
    /// The server does not accept writes: it is a standby or set to read-only.
    ReadOnly,
    /// The disk is full.
    StorageFull,
    /// The server is out of connections, memory or another resource, or had an I/O error.
    Overloaded,
    /// A deadlock or serialization failure. The same transaction can succeed when it is run again.
    Conflict,
    /// A statement or a wait for a lock exceeded its timeout.
    TimedOut,
}

impl TemporaryFailure {
    /// Classifies a SQLSTATE code. The message decides where the code is not specific enough.
    fn of(code: &str, message: &str) -> Option<Self> {
        let is_full = ["No space left on device", "Disk quota exceeded"].iter().any(|sign| message.contains(sign));
        Some(match code {
            "53100" => Self::StorageFull,
            "58030" | "58000" | "XX000" if is_full => Self::StorageFull,
            // A row was on its way to a partition while that was attached or dropped.
            "23514" if message.contains("violates partition constraint") => Self::Conflict,
            "XX000" if message.contains("could not open relation with OID") => Self::Conflict,
            "25006" => Self::ReadOnly,
            "57014" | "55P03" => Self::TimedOut,
            "25P03" | "25P04" => Self::ConnectionLost,
            "58000" | "58030" => Self::Overloaded,
            _ if code.starts_with("08") || code.starts_with("57P") => Self::ConnectionLost,
            _ if code.starts_with("53") || code.starts_with("57") => Self::Overloaded,
            _ if code.starts_with("40") => Self::Conflict,
            _ => return None,
        })
    }

    /// Classifies an error; `None` when it is permanent.
    pub fn of_error(cause: &DbError) -> Option<Self> {
        let (kind, information) = match cause {
            DbError::DatabaseError(kind, information) => (kind, information),
            DbError::RollbackErrorOnCommit { commit_error, .. } => return Self::of_error(commit_error),
            DbError::BrokenTransactionManager => return Some(Self::ConnectionLost),
            _ => return None,
        };
        let recorded = recorded().lock().expect("no panic while held").get(information.message()).copied();
        recorded.or(match kind {
            ClosedConnection | UnableToSendCommand => Some(Self::ConnectionLost),
            SerializationFailure => Some(Self::Conflict),
            ReadOnlyTransaction => Some(Self::ReadOnly),
            _ => None,
        })
    }
}

fn recorded() -> &'static Mutex<HashMap<String, TemporaryFailure>> {
    static RECORDED: LazyLock<Mutex<HashMap<String, TemporaryFailure>>> = LazyLock::new(Mutex::default);
    &RECORDED
}

/// Records an error that a connection has received.
pub(super) fn record(code: &str, message: &str) {
    let mut recorded = recorded().lock().expect("no panic while held");
    match TemporaryFailure::of(code, message) {
        Some(failure) => {
            if recorded.len() >= MAX_RECORDED {
                recorded.clear();
            }
            recorded.insert(message.to_owned(), failure);
        }
        // The same message may have been recorded with another code.
        None => {
            recorded.remove(message);
        }
    }
}

/// Whether a connection that receives this code must not be used again: the server closes it or
/// does not accept writes.
pub(super) fn ends_connection(code: &str) -> bool {
    matches!(TemporaryFailure::of(code, ""), Some(TemporaryFailure::ConnectionLost | TemporaryFailure::ReadOnly))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_classified() {
        for (code, kind) in [
            ("53100", Some(TemporaryFailure::StorageFull)),
            ("53300", Some(TemporaryFailure::Overloaded)),
            ("57P01", Some(TemporaryFailure::ConnectionLost)),
            ("57000", Some(TemporaryFailure::Overloaded)),
            ("57014", Some(TemporaryFailure::TimedOut)),
            ("08006", Some(TemporaryFailure::ConnectionLost)),
            ("40P01", Some(TemporaryFailure::Conflict)),
            ("25006", Some(TemporaryFailure::ReadOnly)),
            ("58030", Some(TemporaryFailure::Overloaded)),
            ("58P01", None),
            ("23505", None),
            ("22012", None),
            ("XX000", None),
        ] {
            assert_eq!(TemporaryFailure::of(code, "text"), kind, "{code}");
        }
        for code in ["58030", "XX000"] {
            assert_eq!(TemporaryFailure::of(code, "could not write: No space left on device"), Some(TemporaryFailure::StorageFull));
        }
    }

    #[test]
    fn the_latest_code_of_a_message_counts() {
        let error = || DbError::DatabaseError(diesel::result::DatabaseErrorKind::Unknown, Box::new("Zeit überschritten".to_owned()));
        assert_eq!(TemporaryFailure::of_error(&error()), None);
        record("57014", "Zeit überschritten");
        assert_eq!(TemporaryFailure::of_error(&error()), Some(TemporaryFailure::TimedOut));
        record("22012", "Zeit überschritten");
        assert_eq!(TemporaryFailure::of_error(&error()), None);
    }
}
