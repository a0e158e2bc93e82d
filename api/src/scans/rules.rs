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
use crate::bags::packing::{self, Admission, Child, Parent, Refusal};
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
        let admission = match self.admit(scan, parent_code) {
            Ok(admission) => admission,
            Err(refusal) => return self.refuse_child(parent_code, refusal),
        };
        let mut events = Vec::new();
        if admission == Admission::Enters {
            events.extend(self.take_into_area(scan, parent_code));
            events.extend(self.link(scan, parent_code));
        }
        self.touch(&scan.code, scan.scanned_at);
        self.touch(parent_code, scan.scanned_at);
        Decision {
            kind: ScanKind::Child,
            outcome: match admission {
                Admission::Enters => ScanOutcome::Linked,
                Admission::AlreadyInside => ScanOutcome::AlreadyLinked,
            },
            bag: self.bags.get(&scan.code).cloned(),
            parent: self.bags.get(parent_code).cloned(),
            linked_parent: None,
            events,
            area_id: None,
        }
    }

    fn admit(&self, scan: &ScanCommand, parent_code: &QrCode) -> Result<Admission, Refusal> {
        let child = self.bags.get(&scan.code);
        let parent = self.bags.get(parent_code);
        let child = Child {
            code: &scan.code,
            kind: self.kind_of(&scan.code),
            parent: child.and_then(|child| child.parent.as_ref()),
            label_fault: self.formats.fault_of(&scan.code),
            is_within_reach: child.is_none_or(|child| self.may_touch(scan, child)),
        };
        let is_within_reach = parent.is_none_or(|parent| self.may_touch(scan, parent));
        packing::admit(&child, &Parent { code: parent_code, bag: parent, is_within_reach })
    }

    fn refuse_child(&self, parent_code: &QrCode, refusal: Refusal) -> Decision {
        let parent = self.bags.get(parent_code).filter(|_| refusal.is_about_parent()).cloned();
        let refused = refuse(ScanKind::Child, ScanOutcome::from(&refusal));
        let linked_parent = match refusal {
            Refusal::LinkedElsewhere(elsewhere) => Some(elsewhere),
            _ => None,
        };
        Decision { parent, linked_parent, ..refused }
    }

    fn link(&mut self, scan: &ScanCommand, parent_code: &QrCode) -> Vec<Event> {
        let mut events = Vec::new();
        let parent = &self.bags[parent_code];
        let (area_id, area) = (parent.area_id, parent.area.clone());
        if !self.bags.contains_key(&scan.code) {
            self.create(scan, &scan.code, BagKind::Child, area_id, area);
            events.push(Event::BagCreated { bag: scan.code.clone(), area_id });
        }
        // Two bags of different kinds, so two different codes.
        let [Some(child), Some(parent)] = self.bags.get_disjoint_mut([&scan.code, parent_code]) else {
            unreachable!("the parent was admitted to, and the child exists or was just created");
        };
        let (previous_area_id, status) = (child.area_id, parent.status);
        packing::add(child, parent);
        let (child, parent) = (scan.code.clone(), parent_code.clone());
        events.push(Event::ChildLinked { child, parent, previous_area_id, area_id });
        if self.bags[parent_code].status != status {
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
