//! Packing: whether a child may enter a parent, and what follows from it.
//!
//! This is the one place of the rule. Scans ([`crate::scans::rules`]), moves and unlinks
//! ([`super::change_parent`]) and undo ([`crate::scans::undo_scan`]) call it. The only exception is
//! the SQL of all-or-nothing imports, which checks a million rows as sets; a property test compares
//! it, and every other caller, with the functions here.
//!
//! Pure: it knows no database, no HTTP and no role. Callers say which bags a person may touch.

use super::model::{BagRecord, BagStatus};
use crate::bag_formats::kind::BagKind;
use crate::bag_formats::label_fault::LabelFault;
use crate::bag_formats::qr_code::QrCode;
use crate::error::{Error, ErrorCode, Result};

/// The end of the sentence that refuses to change a bag on a completed bill; the code precedes it.
pub const ON_COMPLETED_BILL: &str = "is on a finished bill and can't be changed.";

/// A child that is to enter a parent. The bag may not exist yet.
#[derive(Debug, Clone, Copy)]
pub struct Child<'a> {
    pub code: &'a QrCode,
    /// The kind of the bag, or the kind that its code says if there is no bag.
    pub kind: BagKind,
    /// The parent that it is in now.
    pub parent: Option<&'a QrCode>,
    /// Why no new child may have this code.
    pub label_fault: Option<LabelFault>,
    /// Whether the person may change it: packers change bags of their own dispatch area only.
    pub is_within_reach: bool,
}

/// The parent that a child is to enter.
#[derive(Debug, Clone, Copy)]
pub struct Parent<'a> {
    pub code: &'a QrCode,
    /// The bag with this code, if there is one.
    pub bag: Option<&'a BagRecord>,
    /// Whether the person may change it.
    pub is_within_reach: bool,
}

/// A child may be scanned into a parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It enters the parent: [`add`] says what follows.
    Enters,
    /// It is in this parent already, so nothing changes.
    AlreadyInside,
}

/// Why a child may not enter a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The bag that is to enter is a parent.
    NotAChild,
    /// No child may have this code.
    WrongLabel(LabelFault),
    /// No bag has the code of the parent.
    UnknownParent,
    /// The bag that is to be entered is a child.
    NotAParent,
    /// The parent belongs to another dispatch area.
    ParentOutOfReach,
    /// The bag with this code, which would change, is on a completed bill.
    OnCompletedBill(QrCode),
    /// The child, or the parent that it is in, belongs to another dispatch area.
    ChildOutOfReach,
    /// The child is in the parent with this code.
    LinkedElsewhere(QrCode),
    /// The parent holds as many children as it can.
    Full,
    /// The parent was completed before it was full.
    Completed,
}

impl Refusal {
    /// The problem code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NotAChild | Self::NotAParent => ErrorCode::KindMismatch,
            Self::WrongLabel(fault) => fault.code(),
            Self::UnknownParent => ErrorCode::UnknownParent,
            Self::ParentOutOfReach | Self::ChildOutOfReach => ErrorCode::OtherDispatchArea,
            Self::OnCompletedBill(_) => ErrorCode::ParentOnCompletedBill,
            Self::LinkedElsewhere(_) => ErrorCode::LinkedElsewhere,
            Self::Full => ErrorCode::ParentFull,
            Self::Completed => ErrorCode::ParentCompleted,
        }
    }

    /// Whether the person may see the parent, and its state explains the refusal.
    pub const fn is_about_parent(&self) -> bool {
        match self {
            Self::NotAChild | Self::WrongLabel(_) | Self::UnknownParent | Self::NotAParent | Self::ParentOutOfReach => false,
            Self::OnCompletedBill(_) | Self::ChildOutOfReach | Self::LinkedElsewhere(_) | Self::Full | Self::Completed => true,
        }
    }
}

/// Decides whether a child may enter a parent. The most basic reason against it comes first.
///
/// A child that is in this parent already is never refused for the state of the parent: nothing
/// would change, and a packer who scans a bag twice must see that it is safe.
///
/// # Errors
/// The reason, if it may not.
pub fn admit(child: &Child<'_>, parent: &Parent<'_>) -> Result<Admission, Refusal> {
    check_child(child, parent.code)?;
    let bag = parent.bag.ok_or(Refusal::UnknownParent)?;
    if bag.kind != BagKind::Parent {
        return Err(Refusal::NotAParent);
    }
    if !parent.is_within_reach {
        return Err(Refusal::ParentOutOfReach);
    }
    if child.parent == Some(parent.code) {
        return Ok(Admission::AlreadyInside);
    }
    check_unlocked(bag)?;
    if let Some(elsewhere) = child.parent {
        return Err(match child.is_within_reach {
            true => Refusal::LinkedElsewhere(elsewhere.clone()),
            false => Refusal::ChildOutOfReach,
        });
    }
    // Full before completed: the last child completes a parent, and "full" is what people see.
    if bag.child_count >= bag.capacity {
        return Err(Refusal::Full);
    }
    if bag.status == Some(BagStatus::Completed) {
        return Err(Refusal::Completed);
    }
    if !child.is_within_reach {
        return Err(Refusal::ChildOutOfReach);
    }
    Ok(Admission::Enters)
}

/// Decides whether a child may be moved out of the parent that it is in, if any, and into another.
///
/// # Errors
/// The reason, if it may not.
pub fn transfer(child: &Child<'_>, from: Option<&BagRecord>, to: &Parent<'_>) -> Result<Admission, Refusal> {
    check_child(child, to.code)?;
    if child.parent == Some(to.code) {
        return Ok(Admission::AlreadyInside);
    }
    release(child, from)?;
    admit(&Child { parent: None, ..*child }, to)
}

/// Decides whether a child may be taken out of the parent that it is in, if any.
///
/// # Errors
/// The reason, if it may not.
pub fn release(child: &Child<'_>, from: Option<&BagRecord>) -> Result<(), Refusal> {
    if child.kind == BagKind::Parent {
        return Err(Refusal::NotAChild);
    }
    from.map_or(Ok(()), check_unlocked)
}

fn check_child(child: &Child<'_>, parent: &QrCode) -> Result<(), Refusal> {
    if child.kind == BagKind::Parent {
        return Err(Refusal::NotAChild);
    }
    // This also applies to bags that exist: an earlier version accepted such codes, and each
    // further link of one would be a mistake too.
    match child.label_fault {
        Some(fault) if child.parent != Some(parent) => Err(Refusal::WrongLabel(fault)),
        _ => Ok(()),
    }
}

fn check_unlocked(bag: &BagRecord) -> Result<(), Refusal> {
    if bag.is_on_completed_bill {
        return Err(Refusal::OnCompletedBill(bag.qr_code.clone()));
    }
    Ok(())
}

/// Refuses a change to a bag that a completed bill locks.
///
/// # Errors
/// 409 `parent_on_completed_bill`.
pub fn ensure_unlocked(bag: &BagRecord) -> Result<()> {
    check_unlocked(bag).map_err(|refusal| Error::refused(refusal.code(), format!("{} {ON_COMPLETED_BILL}", bag.qr_code)))
}

/// Puts an admitted child into a parent. The child takes over the dispatch area and the bill of the
/// parent, which weighs more and is completed by its last child.
pub fn add(child: &mut BagRecord, parent: &mut BagRecord) {
    child.parent = Some(parent.qr_code.clone());
    child.parent_area_id = parent.area_id;
    // The child is where its parent is, also if a biller or an admin packs across areas.
    child.area_id = parent.area_id;
    child.area.clone_from(&parent.area);
    child.bill_id = parent.bill_id;
    child.bill.clone_from(&parent.bill);
    child.is_on_completed_bill = parent.is_on_completed_bill;
    parent.child_count += 1;
    if parent.child_count == parent.capacity {
        parent.status = Some(BagStatus::Completed);
        parent.auto_completed = true;
    }
}

/// Takes a child out of its parent. The child stays in the dispatch area. The parent is reopened if
/// its last place had completed it, or if it is empty now.
pub fn remove(child: &mut BagRecord, parent: &mut BagRecord) {
    child.parent = None;
    child.parent_area_id = None;
    child.bill_id = None;
    child.bill = None;
    child.is_on_completed_bill = false;
    parent.child_count -= 1;
    if parent.auto_completed || parent.child_count == 0 {
        parent.status = Some(BagStatus::Open);
        parent.auto_completed = false;
    }
}
