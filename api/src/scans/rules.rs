//! What comes of a scan: pure decisions over bags held in memory, no I/O.
//!
//! Scans are decided one after the other, each seeing what those before it did, so a batch ends exactly as the
//! same scans one by one would.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::model::{ScanKind, ScanOutcome, ScanSource};
use crate::audit::Actor;
use crate::bag_formats::kind::BagKind;
use crate::bag_formats::qr_code::{BagFormats, QrCode};
use crate::bags::model::{BagRecord, BagStatus};
use crate::identity::Caller;

/// A well-formed scan that waits to be decided.
#[derive(Debug, Clone)]
pub struct ScanCommand {
    pub id: Uuid,
    pub code: QrCode,
    /// The parent open on the station.
    pub parent: Option<QrCode>,
    pub scanned_at: DateTime<Utc>,
    pub source: ScanSource,
    pub by: Arc<ScannedBy>,
}

/// Who scans, and from where.
#[derive(Debug)]
pub struct ScannedBy {
    pub caller: Caller,
    pub actor: Actor,
}

/// What was decided about one scan, and the bags as they are after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub kind: ScanKind,
    pub outcome: ScanOutcome,
    /// The bag scanned, when the caller may see it and it exists.
    pub bag: Option<BagRecord>,
    /// The parent scanned into.
    pub parent: Option<BagRecord>,
    /// The parent that a `linked_elsewhere` child is in.
    pub linked_parent: Option<QrCode>,
    /// What happened on the way, for the audit log.
    pub events: Vec<Event>,
    /// Id of the dispatch area whose dispatchers may see the scan; set by [`Warehouse::decide`].
    pub area_id: Option<i32>,
}

/// A change worth an audit entry. `area_id` is the dispatch area of the bag after it.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    BagCreated { bag: QrCode, area_id: Option<i32> },
    AreaTaken { bag: QrCode, area: Option<String>, area_id: Option<i32> },
    ChildLinked { child: QrCode, parent: QrCode, previous_area_id: Option<i32>, area_id: Option<i32> },
    ParentCompleted { parent: QrCode, area_id: Option<i32> },
}

/// The bags that a batch touches, with the changes made to them so far.
pub struct Warehouse {
    formats: BagFormats,
    bags: HashMap<QrCode, BagRecord>,
    created: Vec<QrCode>,
    changed: Vec<QrCode>,
    now: DateTime<Utc>,
}

impl Warehouse {
    /// The bags as they were read, under lock.
    pub fn new(formats: BagFormats, bags: impl IntoIterator<Item = BagRecord>, now: DateTime<Utc>) -> Self {
        Self { formats, bags: bags.into_iter().map(|bag| (bag.qr_code.clone(), bag)).collect(), created: Vec::new(), changed: Vec::new(), now }
    }

    /// The bag with this code.
    pub fn bag(&self, code: &QrCode) -> Option<&BagRecord> {
        self.bags.get(code)
    }

    /// Bags made by the decisions, as they are at the end, in code order.
    pub fn created(&self) -> Vec<&BagRecord> {
        self.sorted(&self.created)
    }

    /// Bags that were there before and are different now.
    pub fn changed(&self) -> Vec<&BagRecord> {
        let mut changed = self.sorted(&self.changed);
        changed.retain(|bag| bag.id.is_some());
        changed
    }

    fn sorted(&self, codes: &[QrCode]) -> Vec<&BagRecord> {
        let mut codes: Vec<&QrCode> = codes.iter().collect();
        codes.sort_unstable();
        codes.dedup();
        codes.into_iter().filter_map(|code| self.bags.get(code)).collect()
    }

    /// Decides one scan and changes the bags accordingly. A refusal changes nothing.
    pub fn decide(&mut self, scan: &ScanCommand) -> Decision {
        let decision = match &scan.parent {
            Some(parent) => self.scan_child(scan, parent),
            None if self.kind_of(&scan.code) == BagKind::Parent => self.open_parent(scan),
            None => self.look_up(scan),
        };
        Decision { area_id: self.area_of_scan(scan, &decision), ..decision }
    }

    /// The area that a scan belongs to. One that names bags of two areas belongs to neither, unless
    /// it is a dispatcher's own: they have seen the codes that they scanned.
    fn area_of_scan(&self, scan: &ScanCommand, decision: &Decision) -> Option<i32> {
        let caller = &scan.by.caller;
        let subject = decision.parent.as_ref().or(decision.bag.as_ref());
        let area_id = subject.and_then(|bag| bag.area_id).or(caller.area_id);
        if caller.own_area_only().is_some() {
            return area_id;
        }
        let named = [Some(&scan.code), scan.parent.as_ref()].into_iter().flatten();
        let mut areas = named.filter_map(|code| self.bags.get(code)).flat_map(|bag| self.areas_of(bag));
        area_id.filter(|area_id| areas.all(|area| area == *area_id))
    }

    /// The areas that a bag stands in: its own, and that of the parent it is in. They differ when
    /// a dispatcher has taken a parent of no area into theirs, with children in it.
    fn areas_of(&self, bag: &BagRecord) -> impl Iterator<Item = i32> + use<> {
        let parent_area_id = bag.parent.as_ref().and_then(|parent| self.bags.get(parent)).map_or(bag.parent_area_id, |parent| parent.area_id);
        [bag.area_id, parent_area_id].into_iter().flatten()
    }

    /// May the one who scans work with this bag? Dispatchers: bags of their own area, and those of
    /// none yet.
    fn may_touch(&self, scan: &ScanCommand, bag: &BagRecord) -> bool {
        self.areas_of(bag).all(|area| scan.by.caller.may_see_area(Some(area)))
    }

    fn kind_of(&self, code: &QrCode) -> BagKind {
        match self.bags.get(code) {
            Some(bag) => bag.kind,
            None if self.formats.is_parent(code) => BagKind::Parent,
            None => BagKind::Child,
        }
    }

    fn open_parent(&mut self, scan: &ScanCommand) -> Decision {
        let mut events = Vec::new();
        if let Some(bag) = self.bags.get(&scan.code) {
            if !self.may_touch(scan, bag) {
                return refuse(ScanKind::Parent, ScanOutcome::OtherDispatchArea);
            }
        } else {
            self.create(scan, &scan.code, BagKind::Parent, scan.by.caller.area_id, scan.by.caller.area.clone());
            events.push(Event::BagCreated { bag: scan.code.clone(), area_id: scan.by.caller.area_id });
        }
        events.extend(self.take_into_area(scan, &scan.code));
        self.touch(&scan.code, scan.scanned_at);
        let bag = self.bags.get(&scan.code).cloned();
        Decision { kind: ScanKind::Parent, outcome: ScanOutcome::Opened, bag, parent: None, linked_parent: None, events, area_id: None }
    }

    fn look_up(&mut self, scan: &ScanCommand) -> Decision {
        match self.bags.get(&scan.code) {
            None => {
                let fault = self.formats.fault_of(&scan.code);
                refuse(ScanKind::Lookup, fault.map_or(ScanOutcome::BagNotFound, ScanOutcome::from))
            }
            Some(bag) if !self.may_touch(scan, bag) => refuse(ScanKind::Lookup, ScanOutcome::OtherDispatchArea),
            Some(_) => {
                self.touch(&scan.code, scan.scanned_at);
                let bag = self.bags.get(&scan.code).cloned();
                let linked_parent = bag.as_ref().and_then(|bag| bag.parent.clone());
                Decision { kind: ScanKind::Lookup, outcome: ScanOutcome::Found, bag, parent: None, linked_parent, events: Vec::new(), area_id: None }
            }
        }
    }

    fn scan_child(&mut self, scan: &ScanCommand, parent_code: &QrCode) -> Decision {
        if let Some(refusal) = self.refusal_of_child(scan, parent_code) {
            return refusal;
        }
        let is_linked_already = self.bags.get(&scan.code).is_some_and(|child| child.parent.as_ref() == Some(parent_code));
        let mut events = Vec::new();
        if !is_linked_already {
            events.extend(self.take_into_area(scan, parent_code));
            events.extend(self.link(scan, parent_code));
        }
        self.touch(&scan.code, scan.scanned_at);
        self.touch(parent_code, scan.scanned_at);
        Decision {
            kind: ScanKind::Child,
            outcome: if is_linked_already { ScanOutcome::AlreadyLinked } else { ScanOutcome::Linked },
            bag: self.bags.get(&scan.code).cloned(),
            parent: self.bags.get(parent_code).cloned(),
            linked_parent: None,
            events,
            area_id: None,
        }
    }

    /// Why a child can't go into a parent, the most basic reason first. A child that is in this very parent is
    /// never refused: nothing would change, and a packer who scans a bag twice must see that it is safe.
    fn refusal_of_child(&self, scan: &ScanCommand, parent_code: &QrCode) -> Option<Decision> {
        let refuse = |outcome| Some(refuse(ScanKind::Child, outcome));
        if self.kind_of(&scan.code) == BagKind::Parent {
            return refuse(ScanOutcome::KindMismatch);
        }
        let child = self.bags.get(&scan.code);
        let in_parent = child.and_then(|child| child.parent.as_ref());
        // Also where a bag has the code: an earlier version took such codes, and every further one is a mistake too.
        if in_parent != Some(parent_code)
            && let Some(fault) = self.formats.fault_of(&scan.code)
        {
            return refuse(fault.into());
        }
        let Some(parent) = self.bags.get(parent_code) else { return refuse(ScanOutcome::UnknownParent) };
        if parent.kind != BagKind::Parent {
            return refuse(ScanOutcome::KindMismatch);
        }
        if !self.may_touch(scan, parent) {
            return refuse(ScanOutcome::OtherDispatchArea);
        }
        if in_parent == Some(parent_code) {
            return None;
        }
        let refuse_with_parent = |outcome| Some(Decision { parent: Some(parent.clone()), ..self::refuse(ScanKind::Child, outcome) });
        if parent.is_on_completed_bill {
            return refuse_with_parent(ScanOutcome::ParentOnCompletedBill);
        }
        if let Some(elsewhere) = in_parent {
            if !child.is_some_and(|child| self.may_touch(scan, child)) {
                return refuse_with_parent(ScanOutcome::OtherDispatchArea);
            }
            let refusal = refuse_with_parent(ScanOutcome::LinkedElsewhere);
            return refusal.map(|refusal| Decision { linked_parent: Some(elsewhere.clone()), ..refusal });
        }
        // Full before completed: the last child completes a parent, and "full" is what the packer sees.
        if parent.child_count >= parent.capacity {
            return refuse_with_parent(ScanOutcome::ParentFull);
        }
        if parent.status == Some(BagStatus::Completed) {
            return refuse_with_parent(ScanOutcome::ParentCompleted);
        }
        if child.is_some_and(|child| !self.may_touch(scan, child)) {
            return refuse_with_parent(ScanOutcome::OtherDispatchArea);
        }
        None
    }

    fn link(&mut self, scan: &ScanCommand, parent_code: &QrCode) -> Vec<Event> {
        let mut events = Vec::new();
        let (area_id, area, bill_id, bill) = {
            let parent = &self.bags[parent_code];
            (parent.area_id, parent.area.clone(), parent.bill_id, parent.bill.clone())
        };
        if !self.bags.contains_key(&scan.code) {
            self.create(scan, &scan.code, BagKind::Child, area_id, area.clone());
            events.push(Event::BagCreated { bag: scan.code.clone(), area_id });
        }
        let child = self.bags.get_mut(&scan.code).expect("just created if it was not there");
        let previous_area_id = child.area_id;
        (child.parent, child.parent_area_id) = (Some(parent_code.clone()), area_id);
        // The child stands where its parent stands, also when a biller or an admin packs across areas.
        (child.area_id, child.area) = (area_id, area);
        (child.bill_id, child.bill) = (bill_id, bill);
        events.push(Event::ChildLinked { child: scan.code.clone(), parent: parent_code.clone(), previous_area_id, area_id });
        let parent = self.bags.get_mut(parent_code).expect("checked before");
        parent.child_count += 1;
        if parent.child_count == parent.capacity {
            parent.status = Some(BagStatus::Completed);
            parent.auto_completed = true;
            events.push(Event::ParentCompleted { parent: parent_code.clone(), area_id });
        }
        events
    }

    /// A bag that belongs to no area yet becomes the area's whose dispatcher scans it first.
    fn take_into_area(&mut self, scan: &ScanCommand, code: &QrCode) -> Option<Event> {
        let own = scan.by.caller.own_area_only()?;
        let bag = self.bags.get_mut(code)?;
        if bag.area_id.is_some() {
            return None;
        }
        bag.area_id = Some(own);
        bag.area.clone_from(&scan.by.caller.area);
        Some(Event::AreaTaken { bag: code.clone(), area: bag.area.clone(), area_id: Some(own) })
    }

    fn create(&mut self, scan: &ScanCommand, code: &QrCode, kind: BagKind, area_id: Option<i32>, area: Option<String>) {
        let format = self.formats.of(code).expect("kind_of has found its format, and the child format takes every code");
        let bag = BagRecord {
            id: None,
            qr_code: code.clone(),
            kind,
            status: (kind == BagKind::Parent).then_some(BagStatus::Open),
            format_id: format.id,
            format: format.name.to_string(),
            name: None,
            child_count: 0,
            capacity: format.capacity,
            child_weight_kg: format.child_weight_kg,
            auto_completed: false,
            parent: None,
            parent_area_id: None,
            bill_id: None,
            bill: None,
            is_on_completed_bill: false,
            area_id,
            area,
            created_by: Some(scan.by.caller.username.clone()),
            created_at: self.now,
            last_scan_at: None,
        };
        self.bags.insert(code.clone(), bag);
        self.created.push(code.clone());
    }

    fn touch(&mut self, code: &QrCode, at: DateTime<Utc>) {
        if let Some(bag) = self.bags.get_mut(code) {
            // Offline scans arrive late: the latest scan is the one made last, not the one sent last.
            bag.last_scan_at = bag.last_scan_at.max(Some(at));
            self.changed.push(code.clone());
        }
    }
}

fn refuse(kind: ScanKind, outcome: ScanOutcome) -> Decision {
    Decision { kind, outcome, bag: None, parent: None, linked_parent: None, events: Vec::new(), area_id: None }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
