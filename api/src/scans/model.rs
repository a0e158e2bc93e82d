//! Scan events as rows and as JSON.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::{Uuid, Version};

use crate::bag_formats::label_fault::LabelFault;
use crate::bag_formats::qr_code::QrCode;
use crate::bags::model::{BagStatus, BagStatusSql};
use crate::bags::packing::Refusal;
use crate::error::{Error, ErrorCode, Result};
use crate::identity::UserId;
use crate::pg_enum;

/// Scans made offline are taken this late.
pub const MAX_AGE: TimeDelta = TimeDelta::days(30);
/// A device's clock may be this far ahead.
pub const MAX_AHEAD: TimeDelta = TimeDelta::minutes(2);

pg_enum! {
    /// The scanned code and its context.
    ScanKind as ScanKindSql = "scan_kind" {
        /// A parent was opened.
        Parent = "parent",
        /// A child was scanned into a parent.
        Child = "child",
        /// A bag was looked up.
        Lookup = "lookup",
        /// An earlier scan was undone.
        Undo = "undo",
    }
}

pg_enum! {
    /// The result of a scan.
    ScanOutcome as ScanOutcomeSql = "scan_outcome" {
        /// The parent is open on the station, made if it was new.
        Opened = "opened",
        /// The bag looked up was found.
        Found = "found",
        /// The child is in the parent now.
        Linked = "linked",
        /// The child was in this very parent before; nothing changed.
        AlreadyLinked = "already_linked",
        /// An earlier scan was undone.
        Undone = "undone",
        /// Refused: the child is in another parent.
        LinkedElsewhere = "linked_elsewhere",
        /// Refused: the parent holds as many children as it can.
        ParentFull = "parent_full",
        /// Refused: the parent was completed.
        ParentCompleted = "parent_completed",
        /// Refused: the parent is on a completed bill.
        ParentOnCompletedBill = "parent_on_completed_bill",
        /// Refused: a parent stands where a child belongs, or the other way round.
        KindMismatch = "kind_mismatch",
        /// Refused: the bag belongs to another dispatch area.
        OtherDispatchArea = "other_dispatch_area",
        /// Refused: no parent has this code.
        UnknownParent = "unknown_parent",
        /// Refused: no bag has the code that was looked up.
        BagNotFound = "bag_not_found",
        /// Refused: the code begins like a parent's and is none; the label is probably damaged.
        LooksLikeParent = "looks_like_parent",
        /// Refused: the code is the barcode of a product.
        ProductBarcode = "product_barcode",
    }
}

impl ScanOutcome {
    /// Can it come of a scan of this kind?
    pub const fn is_of(self, kind: ScanKind) -> bool {
        match self {
            Self::Opened => matches!(kind, ScanKind::Parent),
            Self::Found | Self::BagNotFound => matches!(kind, ScanKind::Lookup),
            Self::Undone => matches!(kind, ScanKind::Undo),
            Self::OtherDispatchArea => !matches!(kind, ScanKind::Undo),
            Self::LooksLikeParent | Self::ProductBarcode => matches!(kind, ScanKind::Child | ScanKind::Lookup),
            Self::Linked
            | Self::AlreadyLinked
            | Self::LinkedElsewhere
            | Self::ParentFull
            | Self::ParentCompleted
            | Self::ParentOnCompletedBill
            | Self::KindMismatch
            | Self::UnknownParent => matches!(kind, ScanKind::Child),
        }
    }

    /// The problem of a refusing outcome; `None` when the scan did what it was meant to.
    pub const fn refusal(self) -> Option<ErrorCode> {
        match self {
            Self::Opened | Self::Found | Self::Linked | Self::AlreadyLinked | Self::Undone => None,
            Self::LinkedElsewhere => Some(ErrorCode::LinkedElsewhere),
            Self::ParentFull => Some(ErrorCode::ParentFull),
            Self::ParentCompleted => Some(ErrorCode::ParentCompleted),
            Self::ParentOnCompletedBill => Some(ErrorCode::ParentOnCompletedBill),
            Self::KindMismatch => Some(ErrorCode::KindMismatch),
            Self::OtherDispatchArea => Some(ErrorCode::OtherDispatchArea),
            Self::UnknownParent => Some(ErrorCode::UnknownParent),
            Self::BagNotFound => Some(ErrorCode::BagNotFound),
            Self::LooksLikeParent => Some(LabelFault::LooksLikeParent.code()),
            Self::ProductBarcode => Some(LabelFault::ProductBarcode.code()),
        }
    }
}

impl From<LabelFault> for ScanOutcome {
    fn from(fault: LabelFault) -> Self {
        match fault {
            LabelFault::LooksLikeParent => Self::LooksLikeParent,
            LabelFault::ProductBarcode => Self::ProductBarcode,
        }
    }
}

impl From<&Refusal> for ScanOutcome {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NotAChild | Refusal::NotAParent => Self::KindMismatch,
            Refusal::WrongLabel(fault) => Self::from(*fault),
            Refusal::UnknownParent => Self::UnknownParent,
            Refusal::ParentOutOfReach | Refusal::ChildOutOfReach => Self::OtherDispatchArea,
            Refusal::OnCompletedBill(_) => Self::ParentOnCompletedBill,
            Refusal::LinkedElsewhere(_) => Self::LinkedElsewhere,
            Refusal::Full => Self::ParentFull,
            Refusal::Completed => Self::ParentCompleted,
        }
    }
}

pg_enum! {
    /// Source of the code.
    ScanSource as ScanSourceSql = "scan_source" {
        /// A scanner that types.
        Wedge = "wedge",
        /// The camera of a phone.
        Camera = "camera",
        /// Typed by hand.
        Keypad = "keypad",
        /// Another system.
        Api = "api",
        /// A file.
        Import = "import",
    }
}

/// A row of `scans`.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct ScanRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = ScanKindSql)]
    pub kind: ScanKind,
    #[diesel(sql_type = ScanOutcomeSql)]
    pub outcome: ScanOutcome,
    #[diesel(sql_type = ScanSourceSql)]
    pub source: ScanSource,
    #[diesel(sql_type = Text)]
    pub qr_code: QrCode,
    #[diesel(sql_type = Nullable<Text>)]
    pub parent_qr_code: Option<QrCode>,
    #[diesel(sql_type = BigInt)]
    pub user_id: UserId,
    #[diesel(sql_type = Nullable<Integer>)]
    pub dispatch_area_id: Option<i32>,
    #[diesel(sql_type = Timestamptz)]
    pub scanned_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub recorded_at: DateTime<Utc>,
    /// The parent the child was in, where that is not the one scanned.
    #[diesel(sql_type = Nullable<Text>)]
    pub linked_parent_qr_code: Option<QrCode>,
    /// Status of the parent after the scan.
    #[diesel(sql_type = Nullable<BagStatusSql>)]
    pub status_after: Option<BagStatus>,
    /// Children of the parent after the scan.
    #[diesel(sql_type = Nullable<SmallInt>)]
    pub child_count_after: Option<i16>,
    /// Bill of the bag at the time of the scan.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub bill_id: Option<i64>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub undoes_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub undone_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub undone_by: Option<UserId>,
}

/// A person, as scans name them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ScanUser {
    #[schema(value_type = i64, example = 7)]
    pub id: UserId,
    #[schema(example = "asha")]
    pub username: String,
}

/// One scan event: who, when, which code, which result.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Scan {
    /// UUIDv7, generated when the code was scanned.
    #[schema(example = "019ab0f2-7c31-7b66-8d35-2f4d6e2b9a11")]
    pub id: Uuid,
    pub kind: ScanKind,
    pub outcome: ScanOutcome,
    #[schema(value_type = String, example = "CB-000123")]
    pub qr_code: QrCode,
    #[schema(required, value_type = Option<String>, example = "SB12345")]
    pub parent_qr_code: Option<QrCode>,
    pub user: ScanUser,
    /// Code of the dispatch area; null if there is none, and for a refused scan by a biller or an
    /// admin that names bags of two areas.
    #[schema(required, example = "Lucknow")]
    pub dispatch_area: Option<String>,
    pub source: ScanSource,
    /// Time of the scan, by the clock of the device.
    pub scanned_at: DateTime<Utc>,
    /// Time at which the server recorded it.
    pub recorded_at: DateTime<Utc>,
    #[schema(required)]
    pub undone_at: Option<DateTime<Utc>>,
    /// Username of the person who undid it.
    #[schema(required)]
    pub undone_by: Option<String>,
}

/// The moment inside a UUIDv7.
///
/// # Errors
/// 422 `invalid_scan_id` for any other UUID.
pub fn time_of(id: Uuid) -> Result<DateTime<Utc>> {
    let timestamp = (id.get_version() == Some(Version::SortRand)).then(|| id.get_timestamp()).flatten();
    timestamp
        .and_then(|timestamp| {
            let (seconds, nanoseconds) = timestamp.to_unix();
            DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
        })
        .ok_or_else(|| Error::refused(ErrorCode::InvalidScanId, "The id of a scan must be a UUID of version 7, generated when the code was scanned."))
}

/// A new id for a scan made at this moment.
pub fn id_at(moment: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(moment.timestamp()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, moment.timestamp_subsec_nanos()))
}

/// Refuses a time that no scan of today's queue can have.
///
/// # Errors
/// 422 `scan_time_out_of_range`.
pub fn check_time(moment: DateTime<Utc>, now: DateTime<Utc>) -> Result<()> {
    if moment > now + MAX_AHEAD {
        return Err(Error::refused(
            ErrorCode::ScanTimeOutOfRange,
            format!(
                "The time of the scan is more than 2 minutes ahead of the server (its time is {}). Correct the clock of the device.",
                now.format("%FT%TZ")
            ),
        ));
    }
    if moment < now - MAX_AGE {
        return Err(Error::refused(ErrorCode::ScanTimeOutOfRange, "The scan is older than 30 days. Scan the bag again."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_version_7_has_a_time() {
        let now = Utc::now();
        let id = id_at(now);
        assert_eq!(time_of(id).unwrap().timestamp_millis(), now.timestamp_millis());
        assert!(time_of(Uuid::new_v4()).is_err());
        assert!(time_of(Uuid::nil()).is_err());
        assert!(time_of(Uuid::max()).is_err());
    }

    #[test]
    fn the_window_is_thirty_days_back_and_two_minutes_ahead() {
        let now = Utc::now();
        assert!(check_time(now, now).is_ok());
        assert!(check_time(now + TimeDelta::seconds(119), now).is_ok());
        assert!(check_time(now + TimeDelta::seconds(121), now).is_err());
        assert!(check_time(now - TimeDelta::days(29), now).is_ok());
        assert!(check_time(now - TimeDelta::days(31), now).is_err());
    }
}
