//! What a scan is answered with, the first time and every time it is sent again.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::model::{ScanKind, ScanOutcome, ScanRow};
use super::rules::{Decision, ScanCommand};
use crate::bag_formats::kind::BagKind;
use crate::bag_formats::label_fault::LabelFault;
use crate::bag_formats::qr_code::QrCode;
use crate::bags::model::{Bag, BagRecord};
use crate::bags::packing::ON_COMPLETED_BILL;
use crate::error::{Error, Problem};

/// The result of a scan, with the state of the bags right after it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ScanResponse {
    /// Sending the same id again returns this response and changes nothing.
    #[schema(example = "019ab0f2-7c31-7b66-8d35-2f4d6e2b9a11")]
    pub id: Uuid,
    pub kind: ScanKind,
    pub outcome: ScanOutcome,
    pub scanned_at: DateTime<Utc>,
    /// The scanned bag; null in refusals.
    #[schema(required)]
    pub bag: Option<Bag>,
    /// The parent that it was scanned into; its `last_scan_at` is null in refusals.
    #[schema(required)]
    pub parent: Option<Bag>,
}

/// The problem of a refused scan: the members of every problem, and the recorded scan.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScanProblem {
    #[serde(flatten)]
    pub problem: Problem,
    pub scan: ScanResponse,
    /// The parent that contains the child, if that is the reason for the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<String>)]
    pub linked_parent_qr_code: Option<QrCode>,
}

/// A refused scan is no scan of the parent's, so its answer does not tell when that was scanned last: the answer to a
/// retry could not tell the same.
fn shown_parent(parent: Bag, is_refused: bool) -> Bag {
    Bag { last_scan_at: parent.last_scan_at.filter(|_| !is_refused), ..parent }
}

/// A scan that was decided and written, now or at an earlier try.
#[derive(Debug, Clone)]
pub struct RecordedScan {
    pub response: ScanResponse,
    pub linked_parent: Option<QrCode>,
    pub qr_code: QrCode,
    pub parent_qr_code: Option<QrCode>,
    /// The scan had been written before.
    pub is_replay: bool,
}

impl RecordedScan {
    /// The answer to a scan that has just been decided.
    pub fn new(scan: &ScanCommand, decision: &Decision) -> Self {
        let is_refused = decision.outcome.refusal().is_some();
        Self {
            response: ScanResponse {
                id: scan.id,
                kind: decision.kind,
                outcome: decision.outcome,
                scanned_at: scan.scanned_at,
                bag: decision.bag.clone().filter(|_| !is_refused).map(Bag::from),
                parent: decision.parent.clone().map(|parent| shown_parent(Bag::from(parent), is_refused)),
            },
            linked_parent: decision.linked_parent.clone(),
            qr_code: scan.code.clone(),
            parent_qr_code: scan.parent.clone(),
            is_replay: false,
        }
    }

    /// The first answer of a scan that was written before, from its row and the bags it names.
    ///
    /// What a scan can change is taken from the row; what it can't (format, who made the bag) from the bag.
    pub fn replay(row: &ScanRow, bag: Option<&BagRecord>, parent: Option<&BagRecord>) -> Self {
        let is_refused = row.outcome.refusal().is_some();
        let as_then = |bag: &BagRecord| {
            let mut bag = bag.clone();
            if bag.kind == BagKind::Parent {
                bag.child_count = row.child_count_after.unwrap_or(bag.child_count);
                bag.status = row.status_after.or(bag.status);
            } else {
                bag.parent = match row.kind {
                    ScanKind::Lookup => row.linked_parent_qr_code.clone(),
                    _ => row.parent_qr_code.clone(),
                };
            }
            if bag.bill_id != row.bill_id {
                bag.bill = None;
            }
            bag.last_scan_at = Some(row.scanned_at);
            Bag::from(bag)
        };
        let shows_parent = row.child_count_after.is_some() && row.parent_qr_code.is_some();
        Self {
            response: ScanResponse {
                id: row.id,
                kind: row.kind,
                outcome: row.outcome,
                scanned_at: row.scanned_at,
                bag: bag.filter(|_| !is_refused).map(as_then),
                parent: parent.filter(|_| shows_parent).map(as_then).map(|parent| shown_parent(parent, is_refused)),
            },
            linked_parent: row.linked_parent_qr_code.clone(),
            qr_code: row.qr_code.clone(),
            parent_qr_code: row.parent_qr_code.clone(),
            is_replay: true,
        }
    }

    /// The refusal of a scan that did not do what it was meant to.
    pub fn refusal(&self) -> Option<Error> {
        let code = self.response.outcome.refusal()?;
        let mut extensions = serde_json::Map::new();
        extensions.insert("scan".into(), json!(self.response));
        if self.response.outcome == ScanOutcome::LinkedElsewhere {
            extensions.insert("linked_parent_qr_code".into(), json!(self.linked_parent));
        }
        Some(Error::refused(code, self.refusal_sentence()).with_extensions(extensions))
    }

    fn refusal_sentence(&self) -> String {
        let child = &self.qr_code;
        let parent = self.parent_qr_code.as_ref().map_or("the parent", QrCode::as_str);
        let (count, capacity) =
            self.response.parent.as_ref().map_or((0, 0), |bag| (bag.child_count.unwrap_or_default(), bag.capacity.unwrap_or_default()));
        match self.response.outcome {
            ScanOutcome::LinkedElsewhere => {
                let elsewhere = self.linked_parent.as_ref().map_or("another parent", QrCode::as_str);
                format!("{child} is already in {elsewhere}. Put it back there, or move it here.")
            }
            ScanOutcome::ParentFull => format!("{parent} already holds {count} of {capacity} child bags. Open the next parent."),
            ScanOutcome::ParentCompleted => {
                format!("{parent} was completed with {count} of {capacity} child bags. Reopen it, or open the next parent.")
            }
            ScanOutcome::ParentOnCompletedBill => {
                format!("{parent} {ON_COMPLETED_BILL} Open the next parent.")
            }
            ScanOutcome::KindMismatch => {
                format!(
                    "{child} can't be added to {parent}: only child bags can be added to parent bags. Scan a parent to open it, then its children."
                )
            }
            ScanOutcome::OtherDispatchArea => format!("{child} or its parent belongs to another dispatch area. Put the bag aside for that area."),
            ScanOutcome::UnknownParent => format!("No parent bag has the code {parent}. Scan the parent first."),
            ScanOutcome::LooksLikeParent => LabelFault::LooksLikeParent.sentence().to_owned(),
            ScanOutcome::ProductBarcode => LabelFault::ProductBarcode.sentence().to_owned(),
            ScanOutcome::BagNotFound => format!("No bag has the code {child}. Open a parent, then scan the bag into it."),
            ScanOutcome::Opened | ScanOutcome::Found | ScanOutcome::Linked | ScanOutcome::AlreadyLinked | ScanOutcome::Undone => String::new(),
        }
    }
}
