//! What may go on a bill: pure decisions.

use serde::Serialize;
use utoipa::ToSchema;

use crate::bag_formats::kind::BagKind;
use crate::bags::model::{BagRecord, BagStatus};

/// The result of adding one bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddOutcome {
    /// On the bill now.
    Added,
    /// Was on this bill before; nothing changed.
    AlreadyOnThisBill,
    /// Refused: it is on another bill.
    AlreadyBilled,
    /// Refused: the bill has as many bags as are expected. Raise the expected number first.
    BillAtCapacity,
    /// Refused: there is no child in it.
    EmptyParent,
    /// Refused: it is still open, and the settings forbid that.
    ParentOpen,
    /// Refused: no bag has this code.
    NotFound,
    /// Refused: it is a child bag.
    KindMismatch,
    /// Refused: this is not the code of a bag.
    InvalidQrCode,
}

/// The bill that bags are added to, as far as it matters.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    pub bill_id: i64,
    pub expected: i64,
    pub count: i64,
    pub may_take_open_parents: bool,
}

impl Capacity {
    /// Decides about one bag and counts it in when it is added.
    pub fn decide(&mut self, bag: Option<&BagRecord>) -> AddOutcome {
        let outcome = self.outcome(bag);
        if outcome == AddOutcome::Added {
            self.count += 1;
        }
        outcome
    }

    fn outcome(&self, bag: Option<&BagRecord>) -> AddOutcome {
        let Some(bag) = bag else { return AddOutcome::NotFound };
        if bag.kind != BagKind::Parent {
            return AddOutcome::KindMismatch;
        }
        match bag.bill_id {
            Some(bill) if bill == self.bill_id => return AddOutcome::AlreadyOnThisBill,
            Some(_) => return AddOutcome::AlreadyBilled,
            None => {}
        }
        if bag.child_count == 0 {
            return AddOutcome::EmptyParent;
        }
        if bag.status == Some(BagStatus::Open) && !self.may_take_open_parents {
            return AddOutcome::ParentOpen;
        }
        if self.count >= self.expected {
            return AddOutcome::BillAtCapacity;
        }
        AddOutcome::Added
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bag_formats::qr_code::QrCode;

    fn bag(kind: BagKind, status: Option<BagStatus>, child_count: i16, bill_id: Option<i64>) -> BagRecord {
        BagRecord {
            id: Some(1),
            qr_code: QrCode::parse("SB12345").unwrap(),
            kind,
            status,
            format_id: 1,
            format: "Mustard".into(),
            name: None,
            child_count,
            capacity: 30,
            child_weight_kg: 1.0,
            auto_completed: false,
            parent: None,
            parent_area_id: None,
            bill_id,
            bill: None,
            is_on_completed_bill: false,
            area_id: None,
            area: None,
            created_by: None,
            created_at: chrono::Utc::now(),
            last_scan_at: None,
        }
    }

    fn parent(child_count: i16, bill_id: Option<i64>) -> BagRecord {
        bag(BagKind::Parent, Some(BagStatus::Completed), child_count, bill_id)
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let mut bill = Capacity { bill_id: 7, expected: 1, count: 0, may_take_open_parents: false };
        assert_eq!(bill.decide(None), AddOutcome::NotFound);
        assert_eq!(bill.decide(Some(&bag(BagKind::Child, None, 0, None))), AddOutcome::KindMismatch);
        assert_eq!(bill.decide(Some(&parent(0, None))), AddOutcome::EmptyParent);
        assert_eq!(bill.decide(Some(&parent(3, Some(8)))), AddOutcome::AlreadyBilled);
        assert_eq!(bill.decide(Some(&parent(3, Some(7)))), AddOutcome::AlreadyOnThisBill);
        assert_eq!(bill.decide(Some(&bag(BagKind::Parent, Some(BagStatus::Open), 3, None))), AddOutcome::ParentOpen);
        assert_eq!(bill.decide(Some(&parent(3, None))), AddOutcome::Added);
        assert_eq!(bill.decide(Some(&parent(3, None))), AddOutcome::BillAtCapacity);
    }

    proptest! {
        #[test]
        fn a_bill_never_has_more_bags_than_expected(expected in 1_i64..20, bags in proptest::collection::vec((0_i16..3, proptest::option::of(6_i64..9)), 0..60)) {
            let mut bill = Capacity { bill_id: 7, expected, count: 0, may_take_open_parents: true };
            let added = bags.iter().filter(|(children, on)| bill.decide(Some(&parent(*children, *on))) == AddOutcome::Added).count();
            prop_assert_eq!(bill.count, i64::try_from(added).unwrap());
            prop_assert!(bill.count <= expected);
        }
    }
}
