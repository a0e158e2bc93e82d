//! One rule of packing: every way of putting a child into a parent agrees with
//! [`traitortrack::bags::packing`] on the outcome of each step and on the bags in the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use traitortrack::bags::model::{Bag, BagKind, BagRecord, BagStatus};
use traitortrack::bags::packing::{self, Admission, Child, Parent, Refusal};
use traitortrack::bags::qr_code::{BagFormats, QrCode};
use traitortrack::bags::queries;
use traitortrack::db::pool;

use crate::imports::{LINKS, codes, import};
use crate::support::{Answer, Person, Warehouse, database};

/// Parents and children that exist before the first step.
const PARENTS: u8 = 3;
const CHILDREN: u8 = 5;
/// Codes that a step may name beside those. The child `CHILDREN` does not exist before it is scanned.
const DAMAGED_LABEL: u8 = CHILDREN + 1;
const PARENT_AS_CHILD: u8 = CHILDREN + 2;
const CHILD_AS_PARENT: u8 = PARENTS;
const UNKNOWN_PARENT: u8 = PARENTS + 1;

#[derive(Debug, Clone)]
struct ParentBefore {
    /// Places that are free before the first step.
    free: i16,
    is_completed_by_hand: bool,
    bill: Option<&'static str>,
    area: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct ChildBefore {
    parent: Option<u8>,
    area: Option<&'static str>,
}

/// The bags of a warehouse, and children that are put into parents one after the other.
#[derive(Debug, Clone)]
struct Situation {
    parents: Vec<ParentBefore>,
    children: Vec<ChildBefore>,
    steps: Vec<(u8, u8)>,
}

fn any_area() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![3 => Just(Some("Lucknow")), 1 => Just(Some("Indore")), 1 => Just(None)]
}

fn any_parent() -> impl Strategy<Value = ParentBefore> {
    let bill = prop_oneof![6 => Just(None), 1 => Just(Some("processing")), 1 => Just(Some("completed"))];
    (0..4_i16, proptest::bool::weighted(0.2), bill, any_area()).prop_map(
        |(free, is_completed_by_hand, bill, area)| ParentBefore {
            free,
            is_completed_by_hand,
            bill,
            area,
        },
    )
}

fn any_child() -> impl Strategy<Value = ChildBefore> {
    (proptest::option::of(0..PARENTS), any_area())
        .prop_map(|(parent, area)| ChildBefore { parent, area })
}

fn any_situation() -> impl Strategy<Value = Situation> {
    let step = (0..=PARENT_AS_CHILD, prop_oneof![8 => 0..PARENTS, 1 => PARENTS..=UNKNOWN_PARENT]);
    (
        proptest::collection::vec(any_parent(), PARENTS as usize),
        proptest::collection::vec(any_child(), CHILDREN as usize),
        proptest::collection::vec(step, 1..14),
    )
        .prop_map(|(parents, children, steps)| Situation { parents, children, steps })
}

/// The codes of one copy of a situation; the same place has another code in every copy.
struct Copy {
    tag: String,
}

impl Copy {
    fn parent(&self, n: u8) -> String {
        match n {
            CHILD_AS_PARENT => self.child(0),
            _ => format!("SB{}{n}", self.tag),
        }
    }

    fn child(&self, n: u8) -> String {
        match n {
            DAMAGED_LABEL => format!("SBX-{}", self.tag),
            PARENT_AS_CHILD => self.parent(0),
            _ => format!("CB-{}-{n}", self.tag),
        }
    }

    /// The statements that create the bags of the situation.
    fn sql(&self, situation: &Situation) -> String {
        let mut text = String::new();
        let area = |area: Option<&str>| match area {
            Some(area) => format!("(SELECT id FROM dispatch_areas WHERE code = '{area}')"),
            None => "NULL".to_owned(),
        };
        let count = |n: u8| situation.children.iter().filter(|c| c.parent == Some(n)).count();
        for (n, parent) in (0..).zip(&situation.parents) {
            let (code, count) = (self.parent(n), count(n) as i16);
            // A format never has a capacity of 0.
            let capacity = (count + parent.free).max(1);
            let is_full = count == capacity;
            let is_completed = is_full || (parent.is_completed_by_hand && count > 0);
            let status = if is_completed { "completed" } else { "open" };
            text += &format!(
                "INSERT INTO bags (qr_code, kind, status, format_id, capacity, child_count, \
                   auto_completed, dispatch_area_id) \
                 SELECT '{code}', 'parent', '{status}', id, {capacity}, {count}, {is_full}, {} \
                 FROM bag_formats WHERE name = 'Mustard'; ",
                area(parent.area)
            );
            if let Some(status) = parent.bill {
                let finished = if status == "completed" { "now()" } else { "NULL" };
                text += &format!(
                    "WITH bill AS (INSERT INTO bills (bill_number, destination, vehicle_number, \
                       expected_parent_bags, status, finished_at) \
                       VALUES ('B-{code}', 'Delhi', 'RJ14', 1, '{status}', {finished}) RETURNING id) \
                     INSERT INTO bill_bags (bag_id, bill_id) SELECT b.id, bill.id FROM bags b, bill \
                     WHERE b.qr_code = '{code}'; "
                );
            }
        }
        for (n, child) in (0..).zip(&situation.children) {
            let code = self.child(n);
            let inside = child.parent.map(|n| &situation.parents[usize::from(n)]);
            text += &format!(
                "INSERT INTO bags (qr_code, kind, format_id, dispatch_area_id) \
                 SELECT '{code}', 'child', id, {} FROM bag_formats WHERE kind = 'child' \
                 ORDER BY priority DESC LIMIT 1; ",
                area(inside.map_or(child.area, |parent| parent.area))
            );
            if let Some(parent) = child.parent {
                let parent = self.parent(parent);
                text += &format!(
                    "INSERT INTO bag_links (child_id, parent_id) SELECT c.id, p.id FROM bags c, bags p \
                     WHERE c.qr_code = '{code}' AND p.qr_code = '{parent}'; "
                );
            }
        }
        text
    }

    fn steps(&self, steps: &[(u8, u8)]) -> Vec<(String, String)> {
        steps.iter().map(|(child, parent)| (self.child(*child), self.parent(*parent))).collect()
    }
}

/// The bags as the rules of packing say that they are.
#[derive(Clone)]
struct Model {
    bags: BTreeMap<QrCode, BagRecord>,
    formats: BagFormats,
    /// The area of the packer who scans; billers and admins have none.
    own_area: Option<(i32, String)>,
}

impl Model {
    async fn read(url: &str, copy: &Copy, own_area: Option<&str>) -> Self {
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
    fn step(
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
            &Parent {
                code: &parent,
                bag: into,
                is_within_reach: into.is_none_or(|bag| self.is_within_reach(bag)),
            },
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
    fn shown(&self) -> BTreeMap<String, Value> {
        let shown = self.bags.values().map(|bag| json!(Bag::from(bag.clone())));
        shown.map(|bag| (bag["qr_code"].as_str().expect("a code").to_owned(), state(&bag))).collect()
    }

    fn assert_is_consistent(&self) {
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

fn state(bag: &Value) -> Value {
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
fn scans(model: &mut Model, steps: &[(String, String)]) -> Vec<String> {
    let admit = |child: &Child<'_>, _: Option<&BagRecord>, parent: &Parent<'_>| {
        packing::admit(child, parent)
    };
    let decided = steps.iter().map(|step| model.step(step, admit)).collect::<Vec<_>>();
    decided.iter().map(scanned).collect()
}

/// What the API shows of every bag of a copy.
async fn listed(person: &Person, copy: &Copy) -> BTreeMap<String, Value> {
    let page = person.get(&format!("/bags?limit=200&q={}", copy.tag)).await.expect(200);
    let row = |bag: &Value| (bag["qr_code"].as_str().expect("a code").to_owned(), state(bag));
    page.rows().iter().map(row).collect()
}

/// People, and copies of one situation.
struct Scene<'a> {
    warehouse: &'a Warehouse,
    admin: &'a Person,
    packer: &'a Person,
    situation: &'a Situation,
    copies: Vec<Copy>,
}

impl Scene<'_> {
    async fn model(&self, n: usize, own_area: Option<&str>) -> Model {
        Model::read(&self.warehouse.database_url, &self.copies[n], own_area).await
    }

    async fn assert_ends_as(&self, n: usize, model: &Model, way: &str) {
        model.assert_is_consistent();
        let found = listed(self.admin, &self.copies[n]).await;
        assert_eq!(found, model.shown(), "{way} ends as the rules say");
    }

    /// Scans one by one, and the same scans in one batch.
    async fn scan(&self, first: usize, person: &Person, own_area: Option<&str>) {
        let mut model = self.model(first, own_area).await;
        let steps = self.copies[first].steps(&self.situation.steps);
        let mut outcomes = Vec::new();
        for (child, parent) in &steps {
            let answer = person.scans_into(parent, child).await;
            let refused = |answer: &Answer| answer.code().to_owned();
            outcomes.push(match answer.status {
                201 => answer.outcome().to_owned(),
                _ => refused(&answer),
            });
        }
        assert_eq!(outcomes, scans(&mut model, &steps), "single scans");
        self.assert_ends_as(first, &model, "single scans").await;

        let mut model = self.model(first + 1, own_area).await;
        let steps = self.copies[first + 1].steps(&self.situation.steps);
        let scan = |(child, parent): &(String, String)| json!({"qr_code": child, "parent_qr_code": parent});
        let batch: Vec<Value> = steps.iter().map(scan).collect();
        let answer = person.post("/scans/batch", json!({"scans": batch})).await.expect(200);
        let results = answer.body["results"].as_array().expect("results");
        let outcome = |result: &Value| result["outcome"].as_str().expect("an outcome").to_owned();
        let outcomes: Vec<String> = results.iter().map(outcome).collect();
        assert_eq!(outcomes, scans(&mut model, &steps), "a batch of scans");
        self.assert_ends_as(first + 1, &model, "a batch of scans").await;
    }

    /// Moves, which take children out of their parents first. They create no bag.
    async fn move_children(&self, n: usize) {
        let mut model = self.model(n, None).await;
        for step in self.copies[n].steps(&self.situation.steps) {
            let (child, parent) = &step;
            let body = json!({"parent_qr_code": parent});
            let answer = self.admin.put(&format!("/bags/{child}/parent"), body).await;
            let exists = model.bags.keys().any(|code| code.as_str() == child);
            let wanted = match model.clone().step(&step, packing::transfer) {
                Err(Refusal::WrongLabel(fault)) => (409, fault.code().as_str()),
                _ if !exists => (404, "bag_not_found"),
                decided => match decided {
                    Ok(_) => (200, ""),
                    Err(refusal) => (409, refusal.code().as_str()),
                },
            };
            if exists {
                let _decided = model.step(&step, packing::transfer);
            }
            assert_eq!((answer.status, answer.code()), wanted, "{step:?}: {}", answer.text);
        }
        self.assert_ends_as(n, &model, "moves").await;
    }

    /// Takes every child out of its parent, as far as that is allowed.
    async fn unlink_children(&self, n: usize) {
        let mut model = self.model(n, None).await;
        for (child, _) in self.copies[n].steps(&self.situation.steps) {
            let body = json!({"parent_qr_code": null});
            let answer = self.admin.put(&format!("/bags/{child}/parent"), body).await;
            let code = QrCode::parse(&child).expect("a code");
            let Some(mut bag) = model.bags.get(&code).cloned() else {
                answer.problem(404, "bag_not_found");
                continue;
            };
            let inside = bag.parent.clone();
            let mut from = inside.as_ref().and_then(|code| model.bags.get(code)).cloned();
            let leaving = Child {
                code: &code,
                kind: bag.kind,
                parent: inside.as_ref(),
                label_fault: None,
                is_within_reach: true,
            };
            if let Err(refusal) = packing::release(&leaving, from.as_ref()) {
                answer.problem(409, refusal.code().as_str());
                continue;
            }
            answer.expect(200);
            if let Some(from) = &mut from {
                packing::remove(&mut bag, from);
                model.bags.insert(from.qr_code.clone(), from.clone());
                model.bags.insert(code.clone(), bag);
            }
        }
        self.assert_ends_as(n, &model, "unlinking").await;
    }

    /// An import writes what it can, or all or nothing. It creates parents that do not exist, which
    /// no scan of a child does, so such steps are left out.
    async fn import(&self, n: usize) {
        let known = |(_, parent): &&(u8, u8)| *parent != UNKNOWN_PARENT;
        let steps: Vec<(u8, u8)> = self.situation.steps.iter().filter(known).copied().collect();
        if steps.is_empty() {
            return;
        }
        let partial = self.copies[n].steps(&steps);
        let mut model = self.model(n, None).await;
        let outcomes = scans(&mut model, &partial);
        let is_refused = |outcome: &String| !["linked", "already_linked"].contains(&outcome.as_str());
        let wanted: Vec<(i64, String)> =
            (2..).zip(outcomes.iter().cloned()).filter(|(_, outcome)| is_refused(outcome)).collect();
        let done = import(self.admin, LINKS, &file(&partial)).await;
        assert_eq!(codes(self.admin, &done).await, wanted, "an import of the rows that are good");
        self.assert_ends_as(n, &model, "an import of the rows that are good").await;

        let whole = self.copies[n + 1].steps(&steps);
        let before = self.model(n + 1, None).await;
        let mode = [("kind", "links"), ("mode", "all_or_nothing")];
        if !wanted.is_empty() {
            let done = import(self.admin, &mode, &file(&whole)).await;
            let refused = codes(self.admin, &done).await;
            assert_eq!(done["error"]["code"], "import_rows_refused", "{done}");
            assert_eq!(refused.first(), wanted.first(), "an import of all rows or none");
            let mut children: Vec<u8> = steps.iter().map(|(child, _)| *child).collect();
            children.sort_unstable();
            children.dedup();
            if children.len() == steps.len() {
                assert_eq!(refused, wanted, "an import of all rows or none");
            }
            self.assert_ends_as(n + 1, &before, "a refused import").await;
        }
        let good = whole.iter().zip(&outcomes).filter(|(_, outcome)| !is_refused(outcome));
        let good: Vec<(String, String)> = good.map(|(step, _)| step.clone()).collect();
        if !good.is_empty() {
            let mut model = before;
            scans(&mut model, &good);
            let done = import(self.admin, &mode, &file(&good)).await;
            assert_eq!(done["status"], "succeeded", "{done}");
            self.assert_ends_as(n + 1, &model, "an import of all rows").await;
        }
    }
}

fn file(steps: &[(String, String)]) -> String {
    let rows = steps.iter().map(|(child, parent)| format!("{parent},{child}\n"));
    std::iter::once("parent,child\n".to_owned()).chain(rows).collect()
}

/// Few bags and many steps, so that they collide.
#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_packing_agrees_with_the_rules() {
    let warehouse = Warehouse::open().await;
    let (admin, packer) = (warehouse.admin().await, warehouse.packer("Lucknow").await);
    let tags = AtomicU32::new(100_000);
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let play = async |situation: &Situation| {
        let copy = |_| Copy { tag: tags.fetch_add(1, Ordering::Relaxed).to_string() };
        let copies: Vec<Copy> = (0..8).map(copy).collect();
        let bags: String = copies.iter().map(|copy| copy.sql(situation)).collect();
        database::execute(&warehouse.database_url, &bags).await;
        let (warehouse, admin, packer) = (&warehouse, &admin, &packer);
        let scene = Scene { warehouse, admin, packer, situation, copies };
        scene.scan(0, scene.admin, None).await;
        scene.scan(2, scene.packer, Some("Lucknow")).await;
        scene.move_children(4).await;
        scene.unlink_children(5).await;
        scene.import(6).await;
    };
    let runtime = tokio::runtime::Handle::current();
    let played = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&any_situation(), |situation| {
            runtime.block_on(play(&situation));
            Ok(())
        })
    });
    played.expect("every way agrees");
    warehouse.assert_counts_equal_rows().await;
}
