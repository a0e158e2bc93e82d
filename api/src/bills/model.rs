//! Bills as rows and as JSON.

use std::fmt;

use chrono::{DateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Double, Integer, Nullable, Text, Timestamptz};
use serde::Serialize;
use utoipa::ToSchema;

use crate::bag_formats::qr_code::QrCode;
use crate::bags::model::{BagStatus, BagStatusSql};
use crate::error::{Error, ErrorCode, Result};
use crate::pg_enum;

/// Longest bill number, in characters.
pub const MAX_NUMBER_LENGTH: usize = 64;

pg_enum! {
    /// The state of a bill.
    BillStatus as BillStatusSql = "bill_status" {
        /// It has no bag yet.
        New = "new",
        /// Bags are being collected.
        Processing = "processing",
        /// Finished: the bill, its bags and their links are locked.
        Completed = "completed",
    }
}

/// The number of a bill: trimmed, upper case, 1 to 64 letters, digits, and `.`, `_`, `-` inside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BillNumber(String);

impl BillNumber {
    /// Normalizes typed text. Returns `None` if it can't be a bill number.
    pub fn parse(typed: &str) -> Option<Self> {
        let number = typed.trim().to_ascii_uppercase();
        let is_inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let is_number = number.len() <= MAX_NUMBER_LENGTH
            && is_edge(number.chars().next())
            && is_edge(number.chars().next_back())
            && number.chars().all(is_inner);
        is_number.then_some(Self(number))
    }

    /// Parses the number in an address.
    ///
    /// # Errors
    /// Returns 404 `bill_not_found`: an invalid number belongs to no bill.
    pub fn in_path(text: &str) -> Result<Self> {
        Self::parse(text).ok_or_else(|| Error::refused(ErrorCode::BillNotFound, "No bill has this number."))
    }

    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The refusal for a bill that does not exist or that the caller may not see.
    pub fn not_found(&self) -> Error {
        Error::refused(ErrorCode::BillNotFound, format!("No bill has the number {self}."))
    }
}

impl fmt::Display for BillNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All data of a bill, read by [`super::queries::SELECT`].
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct BillRecord {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = Text)]
    pub bill_number: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub description: Option<String>,
    #[diesel(sql_type = Text)]
    pub destination: String,
    #[diesel(sql_type = Text)]
    pub vehicle_number: String,
    #[diesel(sql_type = BillStatusSql)]
    pub status: BillStatus,
    #[diesel(sql_type = Integer)]
    pub expected_parent_bags: i32,
    #[diesel(sql_type = BigInt)]
    pub parent_bag_count: i64,
    #[diesel(sql_type = BigInt)]
    pub child_bag_count: i64,
    #[diesel(sql_type = Double)]
    pub actual_weight_kg: f64,
    #[diesel(sql_type = Double)]
    pub expected_weight_kg: f64,
    #[diesel(sql_type = Nullable<Text>)]
    pub created_by: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub finished_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
}

/// One shipment on one vehicle.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Bill {
    #[schema(example = "BILL-000001")]
    pub bill_number: String,
    #[schema(required)]
    pub description: Option<String>,
    #[schema(example = "Jaipur depot")]
    pub destination: String,
    #[schema(example = "RJ14 GB 1234")]
    pub vehicle_number: String,
    pub status: BillStatus,
    /// Expected number of parent bags.
    #[schema(example = 40)]
    pub expected_parent_bags: i32,
    /// Parent bags on the bill now.
    pub parent_bag_count: i64,
    /// Children in those parents now.
    pub child_bag_count: i64,
    /// Kilograms on the bill now: children × weight of a child.
    pub actual_weight_kg: f64,
    /// Kilograms when all expected parents are on the bill and full.
    pub expected_weight_kg: f64,
    /// Actual − expected, in kilograms.
    pub variance_kg: f64,
    /// Username of the person who created it.
    #[schema(required, example = "shanti")]
    pub created_by: Option<String>,
    pub created_at: DateTime<Utc>,
    #[schema(required)]
    pub finished_at: Option<DateTime<Utc>>,
    /// Number of edits of this bill; part of its `ETag`.
    pub version: i64,
}

impl From<BillRecord> for Bill {
    fn from(record: BillRecord) -> Self {
        Self {
            bill_number: record.bill_number,
            description: record.description,
            destination: record.destination,
            vehicle_number: record.vehicle_number,
            status: record.status,
            expected_parent_bags: record.expected_parent_bags,
            parent_bag_count: record.parent_bag_count,
            child_bag_count: record.child_bag_count,
            actual_weight_kg: record.actual_weight_kg,
            expected_weight_kg: record.expected_weight_kg,
            // Weights are stored in grams at most (numeric(8,3)): rounding removes binary
            // floating-point noise.
            variance_kg: ((record.actual_weight_kg - record.expected_weight_kg) * 1e3).round() / 1e3,
            created_by: record.created_by,
            created_at: record.created_at,
            finished_at: record.finished_at,
            version: record.version,
        }
    }
}

/// A parent bag on a bill.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema, QueryableByName)]
pub struct BilledBag {
    #[schema(value_type = String, example = "SB12345")]
    #[diesel(sql_type = Text)]
    pub qr_code: QrCode,
    /// Name of its bag format.
    #[schema(example = "Mustard")]
    #[diesel(sql_type = Text)]
    pub format: String,
    #[diesel(sql_type = BagStatusSql)]
    pub status: BagStatus,
    #[diesel(sql_type = Integer)]
    pub child_count: i32,
    #[diesel(sql_type = Integer)]
    pub capacity: i32,
    /// Kilograms in the bag now.
    #[diesel(sql_type = Double)]
    pub weight_kg: f64,
    /// Code of the dispatch area.
    #[schema(required, example = "Lucknow")]
    #[diesel(sql_type = Nullable<Text>)]
    pub dispatch_area: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub added_at: DateTime<Utc>,
    /// Username of the person who added it.
    #[schema(required, example = "shanti")]
    #[diesel(sql_type = Nullable<Text>)]
    pub added_by: Option<String>,
    /// Row id of the bag: the list's sort key.
    #[serde(skip)]
    #[diesel(sql_type = BigInt)]
    pub id: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_trimmed_and_upper_cased() {
        assert_eq!(BillNumber::parse(" bill-000001 ").unwrap().as_str(), "BILL-000001");
        assert_eq!(BillNumber::parse("7").unwrap().as_str(), "7");
        for typed in ["", "-1", "1-", "a/b", "a b", "<b>", "ß", &"9".repeat(65)] {
            assert!(BillNumber::parse(typed).is_none(), "{typed}");
        }
    }
}
