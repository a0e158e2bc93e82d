//! Positions in PostgreSQL's write-ahead log: how far a primary has written and a replica has
//! replayed.

use std::fmt;
use std::str::FromStr;

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::sql;

/// A log position, in bytes since the database was created. Its text form is PostgreSQL's:
/// `16/B374D848`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Before every position: any replica has replayed it.
    pub const START: Self = Self(0);
    /// After every position: no replica ever replays it.
    pub const NEVER: Self = Self(u64::MAX);

    /// Bytes from an earlier position to this one; 0 if the other is not earlier.
    pub const fn bytes_after(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Text that sorts in the order of the positions: 16 hexadecimal digits.
    pub fn sortable(self) -> String {
        format!("{:016X}", self.0)
    }

    /// Parses the output of [`sortable`](Self::sortable).
    pub fn from_sortable(text: &str) -> Option<Self> {
        (text.len() == 16).then(|| half(text, 16)).flatten().map(Self)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// The text is not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position in the write-ahead log")]
pub struct InvalidLsn;

impl FromStr for Lsn {
    type Err = InvalidLsn;

    fn from_str(text: &str) -> Result<Self, InvalidLsn> {
        let (high, low) = text.split_once('/').ok_or(InvalidLsn)?;
        let (high, low) = (half(high, 8).ok_or(InvalidLsn)?, half(low, 8).ok_or(InvalidLsn)?);
        Ok(Self(high << 32 | low))
    }
}

/// Accepts hexadecimal digits only. `from_str_radix` alone also accepts a sign.
fn half(text: &str, most_digits: usize) -> Option<u64> {
    let is_number = (1..=most_digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    lsn: String,
}

async fn read(conn: &mut AsyncPgConnection, statement: &str) -> QueryResult<Lsn> {
    let rows: Vec<Row> = sql(statement).load(conn).await?;
    let text = rows.into_iter().next().ok_or(diesel::result::Error::NotFound)?.lsn;
    text.parse().map_err(|error: InvalidLsn| diesel::result::Error::DeserializationError(Box::new(error)))
}

/// How far the primary has written: includes every commit that was answered before this call,
/// flushed or not.
///
/// # Errors
/// Fails if the database can't be queried, or is not a primary.
pub async fn written(conn: &mut AsyncPgConnection) -> QueryResult<Lsn> {
    read(conn, "SELECT pg_current_wal_insert_lsn()::text AS lsn").await
}

/// How far the primary's log is on disk: the most that replicas can have received.
///
/// # Errors
/// Fails if the database can't be queried, or is not a primary.
pub async fn flushed(conn: &mut AsyncPgConnection) -> QueryResult<Lsn> {
    read(conn, "SELECT pg_current_wal_flush_lsn()::text AS lsn").await
}

/// How far a replica has replayed.
///
/// # Errors
/// Fails if the database can't be queried, or is not (or no longer) a replica.
pub async fn replayed(conn: &mut AsyncPgConnection) -> QueryResult<Lsn> {
    read(conn, "SELECT pg_last_wal_replay_lsn()::text AS lsn WHERE pg_is_in_recovery()").await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again_and_sorts(one: u64, other: u64) {
            let (one, other) = (Lsn(one), Lsn(other));
            prop_assert_eq!(one.to_string().parse(), Ok(one));
            prop_assert_eq!(Lsn::from_sortable(&one.sortable()), Some(one));
            prop_assert_eq!(one.cmp(&other), one.sortable().cmp(&other.sortable()));
        }
    }

    #[test]
    fn only_positions_are_read() {
        assert_eq!("16/B374D848".parse(), Ok(Lsn(0x16_B374_D848)));
        assert_eq!("0/0".parse(), Ok(Lsn::START));
        assert_eq!("16/b374d848".parse(), Ok(Lsn(0x16_B374_D848)));
        for wrong in ["", "/", "0", "16/", "/16", "+1/2", "1/-2", " 1/2", "1/2 ", "123456789/0", "0/123456789", "1/2/3", "g/0", "१/0"] {
            assert_eq!(wrong.parse::<Lsn>(), Err(InvalidLsn), "{wrong}");
        }
    }
}
