//! What the rules of packing say of each step.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use traitortrack::bag_formats::kind::BagKind;
use traitortrack::bag_formats::qr_code::{BagFormats, QrCode};
use traitortrack::bags::model::{Bag, BagRecord, BagStatus};
use traitortrack::bags::packing::{self, Admission, Child, Parent, Refusal};
use traitortrack::bags::queries;
use traitortrack::db::pool;

use super::situation::{CHILDREN, Copy, PARENTS};

/// The bags as the rules of packing say that they are.
#[derive(Clone)]
pub struct Model {
    pub bags: BTreeMap<QrCode, BagRecord>,
    formats: BagFormats,
    /// The area of the packer who scans; billers and admins have none.
    own_area: Option<(i32, String)>,
}

impl Model {
    pub async fn read(url: &str, copy: &Copy, own_area: Option<&str>) -> Self {
        let mut conn = pool::connect(url.to_owned(), 30).await.expect("connects");
        let named = (0..=PARENTS).map(|n| copy.parent(n)).chain((0..CHILDREN).map(|n| copy.child(n)));
        let named: Vec<QrCode> = named.map(|code| QrCode::parse(&code).expect("a code")).collect();
        let bags = queries::lock(&mut conn, &named.iter().collect::<Vec<_>>()).await.expect("reads");
        let own_area = match own_area {
            None => None,
            Some(code) => {
                let area = traitortrack::dispatch_areas::find_active(&mut conn, code).await;
                Some(area.expect("reads").expect("an area"))
            }
        };
        let bags = bags.into_iter().map(|bag| (bag.qr_code.clone(), bag)).collect();
        let formats = BagFormats::load(&mut conn).await.expect("reads");
        Self { bags, formats, own_area }
    }

    fn is_within_reach(&self, bag: &BagRecord) -> bool {
        let Some((own, _)) = &self.own_area else { return true };
        let parent = bag.parent.as_ref().and_then(|code| self.bags.get(code));
        let areas = [bag.area_id, parent.and_then(|parent| parent.area_id)];
        areas.into_iter().flatten().all(|area| area == *own)
    }

    /// Decides with `rule` and changes the bags accordingly.
    pub fn step(
        &mut self,
        (child, parent): &(String, String),
        rule: impl Fn(&Child<'_>, Option<&BagRecord>, &Parent<'_>) -> Result<Admission, Refusal>,
    ) -> Result<Admission, Refusal> {
        let child = QrCode::parse(child).expect("a code");
        let parent = QrCode::parse(parent).expect("a code");
        let (bag, into) = (self.bags.get(&child), self.bags.get(&parent));
        let inside = bag.and_then(|bag| bag.parent.as_ref());
        let is_parent_code = self.formats.is_parent(&child);
        let code_kind = if is_parent_code { BagKind::Parent } else { BagKind::Child };
        let admission = rule(
            &Child {
                code: &child,
                kind: bag.map_or(code_kind, |bag| bag.kind),
                parent: inside,
                label_fault: self.formats.fault_of(&child),
                is_within_reach: bag.is_none_or(|bag| self.is_within_reach(bag)),
            },
            inside.and_then(|code| self.bags.get(code)),
            &Parent { code: &parent, bag: into, is_within_reach: into.is_none_or(|bag| self.is_within_reach(bag)) },
        )?;
        if admission == Admission::Enters {
            self.enter(&child, &parent);
        }
        Ok(admission)
    }

    fn enter(&mut self, child: &QrCode, parent: &QrCode) {
        let mut into = self.bags.remove(parent).expect("it was admitted to");
        if let (None, Some((id, code))) = (into.area_id, &self.own_area) {
            // A parent of no area becomes the one of the first packer who scans into it.
            (into.area_id, into.area) = (Some(*id), Some(code.clone()));
        }
        let mut bag = self.bags.remove(child).unwrap_or_else(|| new_child(child, &into));
        if let Some(mut left) = bag.parent.as_ref().and_then(|code| self.bags.remove(code)) {
            packing::remove(&mut bag, &mut left);
            self.bags.insert(left.qr_code.clone(), left);
        }
        packing::add(&mut bag, &mut into);
        self.bags.insert(child.clone(), bag);
        self.bags.insert(parent.clone(), into);
    }

    /// What the API shows of the bags that packing can change.
    pub fn shown(&self) -> BTreeMap<String, Value> {
        let shown = self.bags.values().map(|bag| json!(Bag::from(bag.clone())));
        shown.map(|bag| (bag["qr_code"].as_str().expect("a code").to_owned(), state(&bag))).collect()
    }

    pub fn assert_is_consistent(&self) {
        for bag in self.bags.values().filter(|bag| bag.kind == BagKind::Parent) {
            let inside = self.bags.values().filter(|b| b.parent.as_ref() == Some(&bag.qr_code));
            assert_eq!(inside.count(), usize::try_from(bag.child_count).unwrap(), "{bag:?}");
            assert!(bag.child_count <= bag.capacity, "{bag:?}");
            let is_full = bag.child_count == bag.capacity;
            assert!(!is_full || bag.status == Some(BagStatus::Completed), "{bag:?}");
            assert!(!bag.auto_completed || is_full, "only a full parent completes itself: {bag:?}");
        }
    }
}

fn new_child(code: &QrCode, parent: &BagRecord) -> BagRecord {
    BagRecord {
        id: None,
        qr_code: code.clone(),
        kind: BagKind::Child,
        status: None,
        child_count: 0,
        capacity: 0,
        child_weight_kg: 1.0,
        auto_completed: false,
        ..parent.clone()
    }
}

pub fn state(bag: &Value) -> Value {
    let fields = ["kind", "status", "child_count", "capacity", "weight_kg", "parent", "bill"];
    let shown = fields.iter().chain(&["dispatch_area"]).map(|field| (*field, bag[field].clone()));
    shown.map(|(field, value)| (field.to_owned(), value)).collect()
}

fn scanned(decided: &Result<Admission, Refusal>) -> String {
    match decided {
        Ok(Admission::Enters) => "linked".to_owned(),
        Ok(Admission::AlreadyInside) => "already_linked".to_owned(),
        Err(refusal) => refusal.code().as_str().to_owned(),
    }
}

/// What the scans of these steps should come to.
pub fn scans(model: &mut Model, steps: &[(String, String)]) -> Vec<String> {
    let admit = |child: &Child<'_>, _: Option<&BagRecord>, parent: &Parent<'_>| packing::admit(child, parent);
    let decided = steps.iter().map(|step| model.step(step, admit)).collect::<Vec<_>>();
    decided.iter().map(scanned).collect()
}
