//! What kind of trouble an error of the database is: the one place that knows SQLSTATE codes.
//!
//! diesel's errors have lost the code, and the message is in the language of the server. So the connection notes the code of
//! each error under its message (`connect::watch`), and here it is looked up.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use diesel::result::DatabaseErrorKind::{ClosedConnection, ReadOnlyTransaction, SerializationFailure, UnableToSendCommand};
use diesel::result::Error as DbError;

/// Messages of errors that are remembered.
const MAX_NOTED: usize = 512;

/// Trouble that goes away by itself or by somebody's care for the database; the request is not at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The connection is gone, or the server tells everyone to go: another connection may do.
    ConnectionLost,
    /// The server can't be written: a standby, or set to read only.
    ReadOnly,
    /// No room on the disk.
    StorageFull,
    /// The server lacks connections, memory or anything else, or its machine fails it.
    Overloaded,
    /// A deadlock or serialization failure: the same transaction may well succeed the next time.
    Conflict,
    /// A statement or a wait for a lock took longer than it may.
    TimedOut,
}

impl Trouble {
    /// The kind of a SQLSTATE code; the message decides where the code does not.
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

    /// The kind of an error; `None` for one that would come again.
    pub fn of_error(cause: &DbError) -> Option<Self> {
        let (kind, information) = match cause {
            DbError::DatabaseError(kind, information) => (kind, information),
            DbError::RollbackErrorOnCommit { commit_error, .. } => return Self::of_error(commit_error),
            DbError::BrokenTransactionManager => return Some(Self::ConnectionLost),
            _ => return None,
        };
        let noted = noted().lock().expect("no panic while held").get(information.message()).copied();
        noted.or(match kind {
            ClosedConnection | UnableToSendCommand => Some(Self::ConnectionLost),
            SerializationFailure => Some(Self::Conflict),
            ReadOnlyTransaction => Some(Self::ReadOnly),
            _ => None,
        })
    }
}

fn noted() -> &'static Mutex<HashMap<String, Trouble>> {
    static NOTED: LazyLock<Mutex<HashMap<String, Trouble>>> = LazyLock::new(Mutex::default);
    &NOTED
}

/// Notes an error that a connection has received.
pub(super) fn note(code: &str, message: &str) {
    let mut noted = noted().lock().expect("no panic while held");
    match Trouble::of(code, message) {
        Some(trouble) => {
            if noted.len() >= MAX_NOTED {
                noted.clear();
            }
            noted.insert(message.to_owned(), trouble);
        }
        // The same words may have come with another code before.
        None => {
            noted.remove(message);
        }
    }
}

/// Whether the connection that brought this code is not to be used again: it is being closed, or can't be written.
pub(super) fn is_end_of_connection(code: &str) -> bool {
    matches!(Trouble::of(code, ""), Some(Trouble::ConnectionLost | Trouble::ReadOnly))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart_by_class() {
        for (code, kind) in [
            ("53100", Some(Trouble::StorageFull)),
            ("53300", Some(Trouble::Overloaded)),
            ("57P01", Some(Trouble::ConnectionLost)),
            ("57000", Some(Trouble::Overloaded)),
            ("57014", Some(Trouble::TimedOut)),
            ("08006", Some(Trouble::ConnectionLost)),
            ("40P01", Some(Trouble::Conflict)),
            ("25006", Some(Trouble::ReadOnly)),
            ("58030", Some(Trouble::Overloaded)),
            ("58P01", None),
            ("23505", None),
            ("22012", None),
            ("XX000", None),
        ] {
            assert_eq!(Trouble::of(code, "text"), kind, "{code}");
        }
        for code in ["58030", "XX000"] {
            assert_eq!(Trouble::of(code, "could not write: No space left on device"), Some(Trouble::StorageFull));
        }
    }

    #[test]
    fn the_last_code_that_came_with_a_message_counts() {
        let error = || DbError::DatabaseError(diesel::result::DatabaseErrorKind::Unknown, Box::new("Zeit überschritten".to_owned()));
        assert_eq!(Trouble::of_error(&error()), None);
        note("57014", "Zeit überschritten");
        assert_eq!(Trouble::of_error(&error()), Some(Trouble::TimedOut));
        note("22012", "Zeit überschritten");
        assert_eq!(Trouble::of_error(&error()), None);
    }
}
