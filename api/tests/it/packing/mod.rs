//! One rule of packing: every way of putting a child into a parent agrees with
//! [`traitortrack::bags::packing`] on the outcome of each step and on the bags in the end.

mod model;
mod situation;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use traitortrack::bag_formats::qr_code::QrCode;
use traitortrack::bags::packing::{self, Child, Refusal};

use self::model::{Model, scans, state};
use self::situation::{Copy, Situation, UNKNOWN_PARENT, any_situation, every_outcome};
use crate::imports::{LINKS, codes, import};
use crate::support::{Answer, Person, Warehouse, database};

const OUTCOMES: [&str; 10] = [
    "already_linked",
    "kind_mismatch",
    "linked",
    "linked_elsewhere",
    "looks_like_parent",
    "other_dispatch_area",
    "parent_completed",
    "parent_full",
    "parent_on_completed_bill",
    "unknown_parent",
];

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
    /// The outcomes of all scans so far.
    seen: &'a Mutex<BTreeSet<String>>,
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
        self.seen.lock().expect("no panic while held").extend(outcomes);
        self.assert_ends_as(first, &model, "single scans").await;

        let mut model = self.model(first + 1, own_area).await;
        let steps = self.copies[first + 1].steps(&self.situation.steps);
        type Step = (String, String);
        let scan = |(child, into): &Step| json!({"qr_code": child, "parent_qr_code": into});
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
            let leaving = Child { code: &code, kind: bag.kind, parent: inside.as_ref(), label_fault: None, is_within_reach: true };
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
        let wanted: Vec<(i64, String)> = (2..).zip(outcomes.iter().cloned()).filter(|(_, outcome)| is_refused(outcome)).collect();
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
    let seen = Mutex::new(BTreeSet::new());
    let play = async |situation: &Situation| {
        let copy = |_| Copy { tag: tags.fetch_add(1, Ordering::Relaxed).to_string() };
        let copies: Vec<Copy> = (0..8).map(copy).collect();
        let bags: String = copies.iter().map(|copy| copy.sql(situation)).collect();
        database::execute(&warehouse.database_url, &bags).await;
        let (warehouse, admin, packer) = (&warehouse, &admin, &packer);
        let scene = Scene { warehouse, admin, packer, situation, copies, seen: &seen };
        scene.scan(0, scene.admin, None).await;
        scene.scan(2, scene.packer, Some("Lucknow")).await;
        scene.move_children(4).await;
        scene.unlink_children(5).await;
        scene.import(6).await;
    };
    play(&every_outcome()).await;
    let of_every_outcome: Vec<String> = seen.lock().expect("no panic").iter().cloned().collect();
    assert_eq!(of_every_outcome, OUTCOMES);
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
