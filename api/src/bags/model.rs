//! Bags as they are read and as JSON.

use chrono::{DateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Double, Integer, Nullable, SmallInt, Text, Timestamptz};
use serde::Serialize;
use utoipa::ToSchema;

use crate::bag_formats::kind::{BagKind, BagKindSql};
use crate::bag_formats::qr_code::QrCode;
use crate::pg_enum;

pg_enum! {
    /// Whether a parent bag is being packed or done.
    BagStatus as BagStatusSql = "bag_status" {
        Open = "open",
        Completed = "completed",
    }
}

/// All there is to know of a bag, read by [`super::queries::SELECT`].
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct BagRecord {
    /// `None` while a scan that creates the bag is being decided.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub id: Option<i64>,
    #[diesel(sql_type = Text)]
    pub qr_code: QrCode,
    #[diesel(sql_type = BagKindSql)]
    pub kind: BagKind,
    #[diesel(sql_type = Nullable<BagStatusSql>)]
    pub status: Option<BagStatus>,
    #[diesel(sql_type = SmallInt)]
    pub format_id: i16,
    #[diesel(sql_type = Text)]
    pub format: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub name: Option<String>,
    #[diesel(sql_type = SmallInt)]
    pub child_count: i16,
    #[diesel(sql_type = SmallInt)]
    pub capacity: i16,
    #[diesel(sql_type = Double)]
    pub child_weight_kg: f64,
    #[diesel(sql_type = Bool)]
    pub auto_completed: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub parent: Option<QrCode>,
    /// Dispatch area of the parent it is in.
    #[diesel(sql_type = Nullable<Integer>)]
    pub parent_area_id: Option<i32>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub bill_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub bill: Option<String>,
    #[diesel(sql_type = Bool)]
    pub is_on_completed_bill: bool,
    #[diesel(sql_type = Nullable<Integer>)]
    pub area_id: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    pub area: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub created_by: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_scan_at: Option<DateTime<Utc>>,
}

impl BagRecord {
    /// Weight in kilograms: of one child, or of all children in a parent.
    pub fn weight_kg(&self) -> f64 {
        match self.kind {
            BagKind::Child => self.child_weight_kg,
            BagKind::Parent => f64::from(self.child_count) * self.child_weight_kg,
        }
    }
}

/// A physical bag.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Bag {
    #[schema(value_type = String, example = "SB12345")]
    pub qr_code: QrCode,
    pub kind: BagKind,
    /// Parents only.
    #[schema(required)]
    pub status: Option<BagStatus>,
    /// Name of the bag format that its code matched.
    #[schema(example = "Mustard")]
    pub format: String,
    #[schema(required)]
    pub name: Option<String>,
    /// Current number of children; parents only.
    #[schema(required, example = 15)]
    pub child_count: Option<i16>,
    /// Maximum number of children; parents only.
    #[schema(required, example = 30)]
    pub capacity: Option<i16>,
    /// Weight in kilograms: of one child, or of all children in a parent.
    #[schema(example = 15.0)]
    pub weight_kg: f64,
    /// Code of the parent it is in; children only.
    #[schema(required, value_type = Option<String>)]
    pub parent: Option<QrCode>,
    /// Number of the bill it is on; a child is on the bill of its parent.
    #[schema(required)]
    pub bill: Option<String>,
    /// Code of the dispatch area.
    #[schema(required, example = "Lucknow")]
    pub dispatch_area: Option<String>,
    /// Username of the person who created it.
    #[schema(required, example = "asha")]
    pub created_by: Option<String>,
    pub created_at: DateTime<Utc>,
    #[schema(required)]
    pub last_scan_at: Option<DateTime<Utc>>,
}

impl From<BagRecord> for Bag {
    fn from(record: BagRecord) -> Self {
        let weight_kg = record.weight_kg();
        let is_parent = record.kind == BagKind::Parent;
        Self {
            qr_code: record.qr_code,
            kind: record.kind,
            status: record.status,
            format: record.format,
            name: record.name,
            child_count: is_parent.then_some(record.child_count),
            capacity: is_parent.then_some(record.capacity),
            weight_kg,
            parent: record.parent,
            bill: record.bill,
            dispatch_area: record.area,
            created_by: record.created_by,
            created_at: record.created_at,
            last_scan_at: record.last_scan_at,
        }
    }
}

/// A child in a parent.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema, QueryableByName)]
pub struct ChildBag {
    #[schema(value_type = String, example = "CB-000123")]
    #[diesel(sql_type = Text)]
    pub qr_code: QrCode,
    #[schema(required)]
    #[diesel(sql_type = Nullable<Text>)]
    pub name: Option<String>,
    /// Weight in kilograms.
    #[schema(example = 1.0)]
    #[diesel(sql_type = Double)]
    pub weight_kg: f64,
    #[diesel(sql_type = Timestamptz)]
    pub linked_at: DateTime<Utc>,
    /// Username of the person who linked it.
    #[schema(required, example = "asha")]
    #[diesel(sql_type = Nullable<Text>)]
    pub linked_by: Option<String>,
    /// Row id of the child: the second part of the list's sort key.
    #[serde(skip)]
    #[diesel(sql_type = BigInt)]
    pub id: i64,
}
