//! Rules of `domain.md` one by one, and what must hold whatever is scanned in whatever order.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::identity::caller::Credential;
use crate::identity::{Role, UserId};

fn code(text: &str) -> QrCode {
    QrCode::parse(text).unwrap()
}

fn person(role: Role, area_id: Option<i32>) -> Arc<ScannedBy> {
    Arc::new(ScannedBy {
        caller: Caller {
            user_id: UserId(1),
            username: "asha".into(),
            role,
            credential: Credential::Session(Uuid::nil()),
            two_factor_setup_required: false,
            area_id,
            area: area_id.map(|id| format!("area {id}")),
            password_change_required: false,
        },
        actor: Actor::default(),
    })
}

fn packer() -> Arc<ScannedBy> {
    person(Role::Dispatcher, Some(1))
}

fn scan_by(by: &Arc<ScannedBy>, child: &str, parent: Option<&str>) -> ScanCommand {
    ScanCommand { id: Uuid::now_v7(), code: code(child), parent: parent.map(code), scanned_at: Utc::now(), source: ScanSource::Wedge, by: by.clone() }
}

fn empty() -> Warehouse {
    Warehouse::new(BagFormats::built_in(), [], Utc::now())
}

/// A warehouse where the bags of another are as if read from the database.
fn stored(warehouse: &Warehouse, change: impl Fn(&mut BagRecord)) -> Warehouse {
    let bags = warehouse.bags.values().enumerate().map(|(i, bag)| {
        let mut bag = BagRecord { id: Some(i as i64 + 1), ..bag.clone() };
        change(&mut bag);
        bag
    });
    Warehouse::new(BagFormats::built_in(), bags, Utc::now())
}

fn outcome(warehouse: &mut Warehouse, child: &str, parent: Option<&str>) -> ScanOutcome {
    warehouse.decide(&scan_by(&packer(), child, parent)).outcome
}

fn packed(children: usize) -> Warehouse {
    let mut warehouse = empty();
    outcome(&mut warehouse, "SB12345", None);
    for i in 0..children {
        assert_eq!(outcome(&mut warehouse, &format!("C{i:03}"), Some("SB12345")), ScanOutcome::Linked);
    }
    warehouse
}

#[test]
fn the_thirtieth_child_completes_the_parent_and_the_next_is_refused() {
    let mut warehouse = packed(29);
    assert_eq!(warehouse.bag(&code("SB12345")).unwrap().status, Some(BagStatus::Open));
    let last = warehouse.decide(&scan_by(&packer(), "C999", Some("SB12345")));
    let parent = last.parent.unwrap();
    assert_eq!((parent.child_count, parent.status, parent.auto_completed), (30, Some(BagStatus::Completed), true));
    assert!(last.events.contains(&Event::ParentCompleted { parent: code("SB12345"), area_id: Some(1) }));
    assert_eq!(outcome(&mut warehouse, "ONE-MORE", Some("SB12345")), ScanOutcome::ParentFull);
    assert_eq!(warehouse.bag(&code("ONE-MORE")), None);
    assert_eq!(outcome(&mut warehouse, "C999", Some("SB12345")), ScanOutcome::AlreadyLinked);
}

#[test]
fn a_child_stays_in_its_first_parent() {
    let mut warehouse = packed(1);
    outcome(&mut warehouse, "SB99999", None);
    let refused = warehouse.decide(&scan_by(&packer(), "C000", Some("SB99999")));
    assert_eq!(refused.outcome, ScanOutcome::LinkedElsewhere);
    assert_eq!(refused.linked_parent, Some(code("SB12345")));
    assert_eq!(warehouse.bag(&code("SB99999")).unwrap().child_count, 0);
}

#[test]
fn every_other_refusal_has_its_outcome() {
    let mut warehouse = packed(1);
    assert_eq!(outcome(&mut warehouse, "SB55555", Some("SB12345")), ScanOutcome::KindMismatch);
    assert_eq!(outcome(&mut warehouse, "SB12345", Some("SB12345")), ScanOutcome::KindMismatch);
    assert_eq!(outcome(&mut warehouse, "C001", Some("C000")), ScanOutcome::KindMismatch);
    assert_eq!(outcome(&mut warehouse, "C001", Some("SB77777")), ScanOutcome::UnknownParent);
    assert_eq!(outcome(&mut warehouse, "C001", Some("NOT-A-PARENT")), ScanOutcome::UnknownParent);
    assert_eq!(outcome(&mut warehouse, "NOWHERE", None), ScanOutcome::BagNotFound);
    assert_eq!(outcome(&mut warehouse, "C000", None), ScanOutcome::Found);
    for parent in [None, Some("SB12345"), Some("SB77777"), Some("C000")] {
        assert_eq!(outcome(&mut warehouse, "SB123", parent), ScanOutcome::LooksLikeParent);
        assert_eq!(outcome(&mut warehouse, "96385074", parent), ScanOutcome::ProductBarcode);
    }

    let mut completed = stored(&warehouse, |bag| {
        if bag.kind == BagKind::Parent {
            bag.status = Some(BagStatus::Completed);
        }
    });
    assert_eq!(outcome(&mut completed, "C001", Some("SB12345")), ScanOutcome::ParentCompleted);

    let mut billed = stored(&warehouse, |bag| bag.is_on_completed_bill = true);
    assert_eq!(outcome(&mut billed, "C001", Some("SB12345")), ScanOutcome::ParentOnCompletedBill);

    let stranger = person(Role::Dispatcher, Some(2));
    for (child, parent) in [("SB12345", None), ("C001", Some("SB12345")), ("C000", None)] {
        let decision = warehouse.decide(&scan_by(&stranger, child, parent));
        assert_eq!((decision.outcome, decision.bag, decision.parent), (ScanOutcome::OtherDispatchArea, None, None));
    }
}

#[test]
fn a_bag_of_no_area_becomes_the_first_dispatchers() {
    let mut warehouse = empty();
    warehouse.decide(&scan_by(&person(Role::Admin, None), "SB12345", None));
    assert_eq!(warehouse.bag(&code("SB12345")).unwrap().area_id, None);
    let decision = warehouse.decide(&scan_by(&packer(), "C1C", Some("SB12345")));
    assert_eq!(decision.outcome, ScanOutcome::Linked);
    assert_eq!(decision.parent.unwrap().area_id, Some(1));
    assert_eq!(decision.bag.unwrap().area_id, Some(1));
}

#[test]
fn a_late_offline_scan_does_not_turn_back_the_clock() {
    let mut warehouse = packed(1);
    let before = warehouse.bag(&code("C000")).unwrap().last_scan_at;
    let late = ScanCommand { scanned_at: Utc::now() - chrono::TimeDelta::days(3), ..scan_by(&packer(), "C000", Some("SB12345")) };
    warehouse.decide(&late);
    assert_eq!(warehouse.bag(&code("C000")).unwrap().last_scan_at, before);
}

fn any_scan() -> impl Strategy<Value = (u8, Option<u8>, u8)> {
    (0..60_u8, proptest::option::weighted(0.9, 0..6_u8), 0..4_u8)
}

proptest! {
    /// Few codes and many scans, so that they collide: parents among children, children among parents, four people.
    #[test]
    fn invariants_hold_in_every_order(scans in proptest::collection::vec(any_scan(), 0..400)) {
        let people = [packer(), person(Role::Dispatcher, Some(2)), person(Role::Biller, None), person(Role::Admin, None)];
        let name = |n: u8| if n < 3 { format!("SB{n:05}") } else { format!("C{n:03}") };
        let mut warehouse = empty();
        let mut linked = HashSet::new();
        for (child, parent, who) in scans {
            let before = warehouse.bags.clone();
            let scan = scan_by(&people[who as usize], &name(child), parent.map(&name).as_deref());
            let decision = warehouse.decide(&scan);
            if decision.outcome.refusal().is_some() {
                prop_assert_eq!(&before, &warehouse.bags, "a refusal changes nothing");
            }
            if decision.outcome == ScanOutcome::Linked {
                prop_assert!(linked.insert(scan.code.clone()), "a child is linked once");
            }
            for bag in warehouse.bags.values() {
                let children = warehouse.bags.values().filter(|child| child.parent.as_ref() == Some(&bag.qr_code)).count();
                prop_assert_eq!(children, usize::try_from(bag.child_count).unwrap(), "a count always equals its rows");
                prop_assert!(bag.child_count <= bag.capacity);
                prop_assert_eq!(bag.kind == BagKind::Parent, bag.status.is_some());
                if bag.kind == BagKind::Parent {
                    prop_assert!(bag.parent.is_none(), "a parent is never a child");
                }
            }
        }
    }

    /// However a stream of scans is cut into batches, it ends the same.
    #[test]
    fn batches_end_as_single_scans_do(scans in proptest::collection::vec(any_scan(), 1..120), cut in 1..40_usize) {
        let by = packer();
        let name = |n: u8| if n < 3 { format!("SB{n:05}") } else { format!("C{n:03}") };
        let scans: Vec<ScanCommand> = scans.iter().map(|(c, p, _)| scan_by(&by, &name(*c), p.map(name).as_deref())).collect();
        let mut whole = empty();
        let one_by_one: Vec<ScanOutcome> = scans.iter().map(|scan| whole.decide(scan).outcome).collect();
        let mut cut_up = empty();
        let mut batched = Vec::new();
        for batch in scans.chunks(cut) {
            cut_up = stored(&cut_up, |_| {});
            batched.extend(batch.iter().map(|scan| cut_up.decide(scan).outcome));
        }
        prop_assert_eq!(one_by_one, batched);
    }
}
