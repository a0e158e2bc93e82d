//! Ids that begin with the moment at which they were made (UUIDv7).

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The smallest id a row of this moment can have. Moments that no UUIDv7 has, before 1970 or after the year 10889, are
/// the smallest and the largest.
pub fn floor_id(moment: DateTime<Utc>) -> Uuid {
    const LAST: u64 = (1 << 48) - 1;
    let milliseconds = u64::try_from(moment.timestamp_millis()).unwrap_or(0).min(LAST);
    Uuid::from_u128(u128::from(milliseconds) << 80)
}
