//! Two dispatch areas share bills and move bags. No packer reads a code of the other area, by any
//! call, file or event.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use traitortrack::openapi;

use crate::events::Listener;
use crate::imports::{finished, send};
use crate::support::person::scan_id;
use crate::support::{Answer, Person, Warehouse, database};

const HERE: &str = "Lucknow";
const THERE: &str = "Jaipur";
/// Codes, names and texts that only `HERE` may read. No one of them is part of another.
const OF_HERE: [&str; 9] = ["SB7100001", "SB7100002", "SB7100003", "SB7100004", "LKO-01", "LKO-02", "LKO-03", "LKO-04", "LKO-LABEL"];
/// The same of `THERE`.
const OF_THERE: [&str; 12] =
    ["SB7200001", "SB7200002", "SB7200003", "SB7200004", "SB7200005", "SB7200006", "JPR-01", "JPR-02", "JPR-03", "JPR-04", "JPR-05", "JPR-LABEL"];
/// Bags that change their area or belong to none at first: each area may know them, but not where
/// they were elsewhere.
const TRAVELLERS: [&str; 10] =
    ["SB7300001", "SB7300003", "MOVED-01", "MOVED-02", "MOVED-03", "MOVED-04", "MOVED-05", "MOVED-06", "STRAY-01", "ORPHAN-01"];
const BILLS: [&str; 3] = ["SHARED-1", "SHARED-2", "ONLY-THERE"];

struct People {
    here: Person,
    there: Person,
    biller: Person,
    admin: Person,
}

impl People {
    async fn of(warehouse: &Warehouse) -> Self {
        Self {
            here: warehouse.packer(HERE).await,
            there: warehouse.packer(THERE).await,
            biller: warehouse.biller().await,
            admin: warehouse.admin().await,
        }
    }
}

fn codes(codes: &[&str]) -> Vec<String> {
    codes.iter().map(|code| (*code).to_owned()).collect()
}

/// Everything that two areas can do with each other's bags. Returns the answers that the packer of
/// `HERE` got when bags of `THERE` were concerned.
async fn a_busy_day(people: &People) -> Vec<(String, String)> {
    pack(people).await;
    share_bills(people).await;
    move_bags(people).await;
    import_links(people).await;
    let mut answers = scan_across(people).await;
    answers.extend(undo_and_repeat(people).await);
    delete_and_create_again(people).await;
    answers.into_iter().map(|(name, answer)| (name.to_owned(), answer.text)).collect()
}

async fn pack(people: &People) {
    let People { here, there, admin, .. } = people;
    here.packs("SB7100001", codes(&["LKO-01", "LKO-02"])).await;
    here.packs("SB7100002", codes(&["LKO-03"])).await;
    here.packs("SB7100003", codes(&["LKO-04"])).await;
    here.post("/bags", json!({"qr_code": "SB7100004"})).await.expect(201);
    there.packs("SB7200001", codes(&["JPR-01", "JPR-02", "MOVED-01"])).await;
    there.packs("SB7200002", codes(&["JPR-03", "MOVED-02", "MOVED-03"])).await;
    there.packs("SB7200003", codes(&["JPR-04"])).await;
    there.packs("SB7300001", codes(&["MOVED-04"])).await;
    // Bags of no area, until a packer opens the parent.
    admin.packs("SB7200006", codes(&["ORPHAN-01"])).await;
    admin.patch("/bags/SB7100001", json!({"name": "LKO-LABEL"})).await.expect(200);
    admin.patch("/bags/SB7300001", json!({"name": "JPR-LABEL"})).await.expect(200);
}

async fn share_bills(people: &People) {
    let People { here, there, biller, admin } = people;
    for number in BILLS {
        let bill = json!({"bill_number": number, "destination": "Delhi", "vehicle_number": "RJ14", "expected_parent_bags": 9});
        biller.post("/bills", bill).await.expect(201);
    }
    let all = json!({"qr_codes": ["SB7100001", "SB7200001", "SB7100002", "SB7200002"]});
    biller.post("/bills/SHARED-1/bags", all).await.expect(200);
    biller.delete("/bills/SHARED-1/bags/SB7200002").await.expect(204);
    biller.delete("/bills/SHARED-1/bags/SB7100002").await.expect(204);
    biller.post("/bills/SHARED-1/finish", json!({})).await.expect(200);
    admin.post("/bills/SHARED-1/reopen", json!({"reason": "A bag was left behind."})).await.expect(200);
    let both = json!({"qr_codes": ["SB7100002", "SB7200002"]});
    biller.post("/bills/SHARED-2/bags", both).await.expect(200);
    let seen = biller.get("/bills/SHARED-2").await.expect(200);
    let changed = biller.patch_seen("/bills/SHARED-2", &seen, json!({"destination": "Agra"})).await.expect(200);
    admin.delete_seen("/bills/SHARED-2", &changed).await.expect(204);
    biller.post("/bills/ONLY-THERE/bags", json!({"qr_codes": ["SB7200003"]})).await.expect(200);
    for packer in [here, there] {
        packer.get("/bills/SHARED-1").await.expect(200);
    }
}

async fn move_bags(people: &People) {
    let People { biller, there, .. } = people;
    let into = |parent: &str| json!({"parent_qr_code": parent});
    biller.put("/bags/MOVED-01/parent", into("SB7100003")).await.expect(200);
    biller.put("/bags/MOVED-02/parent", json!({"parent_qr_code": null})).await.expect(200);
    biller.put("/bags/MOVED-02/parent", into("SB7100003")).await.expect(200);
    biller.put("/bags/MOVED-03/parent", json!({"parent_qr_code": null})).await.expect(200);
    biller.scans_into("SB7100003", "MOVED-03").await.expect(201);
    // Scans of the parent and its child as they were, then both change their area with a name.
    there.scans("MOVED-04").await.expect(201);
    there.act("/bags/SB7300001/complete").await.expect(200);
    there.act("/bags/SB7300001/reopen").await.expect(200);
    let renamed = json!({"name": "Blue label", "dispatch_area": HERE});
    biller.patch("/bags/SB7300001", renamed).await.expect(200);
}

/// Children that were packed and taken out again THERE go into parents of HERE by a file, in both
/// ways of importing.
async fn import_links(people: &People) {
    let People { there, admin, .. } = people;
    for (child, mode) in [("MOVED-05", "partial"), ("MOVED-06", "all_or_nothing")] {
        there.scans_into("SB7200001", child).await.expect(201);
        there.act("/scans/undo-last").await.expect(200);
        let file = format!("parent_qr_code,child_qr_code\nSB7100003,{child}\n");
        let fields = [("kind", "links"), ("mode", mode)];
        let taken = send(admin, &fields, "links.csv", "text/csv", file.as_bytes()).await.expect(202);
        let done = finished(admin, &taken.body).await;
        assert_eq!((&done["status"], &done["progress"]["rows_accepted"]), (&json!("succeeded"), &json!(1)), "{done}");
    }
}

async fn scan_across(people: &People) -> Vec<(&'static str, Answer)> {
    let People { here, there, biller, .. } = people;
    there.packs("SB7200004", codes(&["STRAY-01", "JPR-05"])).await;
    // A biller may see both parents; the packers of the one that it was to go into may not.
    let refused = biller.scans_into("SB7100003", "JPR-05").await.problem(409, "linked_elsewhere");
    assert_eq!(refused.body["linked_parent_qr_code"], "SB7200004");
    biller.scans_into("SB7100003", "SB7200004").await.problem(409, "kind_mismatch");
    // A child of no area lies in a parent that another area has made its own.
    there.scans("SB7200006").await.expect(201);
    vec![
        ("child in a parent of the other area", here.scans_into("SB7100003", "STRAY-01").await),
        ("look-up of it", here.scans("STRAY-01").await),
        ("child of no area in such a parent", here.scans_into("SB7100003", "ORPHAN-01").await),
        ("look-up of it", here.scans("ORPHAN-01").await),
    ]
}

async fn undo_and_repeat(people: &People) -> Vec<(&'static str, Answer)> {
    let People { here, there, biller, .. } = people;
    there.scans("SB7200005").await.expect(201);
    here.scans("SB7300003").await.expect(201);
    let id = scan_id();
    let scan = json!({"id": id, "qr_code": "UNDONE-01", "parent_qr_code": "SB7300003"});
    here.post("/scans", scan.clone()).await.expect(201);
    let undo = format!("/scans/{id}/undo");
    here.act(&undo).await.expect(200);
    biller.scans_into("SB7200005", "UNDONE-01").await.expect(201);
    vec![
        ("undo sent again", here.act(&undo).await.expect(200)),
        ("undo of the last scan sent again", here.act("/scans/undo-last").await.expect(200)),
        ("scan sent again", here.post("/scans", scan).await.expect(200)),
    ]
}

/// A code that one area gave up begins a new life in another.
async fn delete_and_create_again(people: &People) {
    let People { here, there, biller, admin } = people;
    there.packs("SB7300009", codes(&["JPR-06"])).await;
    biller.put("/bags/JPR-06/parent", json!({"parent_qr_code": "SB7200005"})).await.expect(200);
    admin.delete("/bags/SB7300009").await.expect(204);
    here.packs("SB7300009", codes(&["LKO-05"])).await;
}

/// One readable call with its address, and what it was asked for by name.
struct Call {
    path: String,
    asked_for: String,
}

/// Every GET of the document, for everything that can stand in its address.
async fn readable_calls(admin: &Person) -> Vec<Call> {
    let document = serde_json::to_value(openapi::document()).expect("the document is JSON");
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        if item.get("get").is_none() || path.ends_with("/events") {
            continue;
        }
        let values = values_of(admin, path).await;
        let filled = |value: &String| {
            let (start, end) = (path.find('{'), path.find('}'));
            match start.zip(end) {
                Some((start, end)) => format!("{}{value}{}", &path[..start], &path[end + 1..]),
                None => path.clone(),
            }
        };
        calls.extend(values.iter().map(|value| Call { path: filled(value), asked_for: value.clone() }));
    }
    for search in ["SB7", "LKO", "JPR", "MOVED", "Delhi", "SHARED", "dispatcher"] {
        calls.push(Call { path: format!("/api/v1/search?q={search}&limit=50"), asked_for: search.into() });
        calls.push(Call { path: format!("/api/v1/bags?q={search}&limit=200&count=exact"), asked_for: search.into() });
    }
    for code in known_codes() {
        let path = format!("/api/v1/scans?bag={code}&limit=200&count=exact");
        calls.push(Call { path, asked_for: code.into() });
    }
    for path in ["/api/v1/reports/daily-scans?format=csv", "/api/v1/stats/recent?limit=100", "/api/v1/scans?limit=200&sort=oldest"] {
        calls.push(Call { path: path.into(), asked_for: String::new() });
    }
    calls
}

fn known_codes() -> Vec<&'static str> {
    let more = ["SB7300009", "UNDONE-01", "LKO-05", "JPR-06"];
    [&OF_HERE[..], &OF_THERE, &TRAVELLERS, &more].concat().into_iter().filter(|code| !code.ends_with("LABEL")).collect()
}

/// What can stand in the address of a call; one empty value where nothing does.
async fn values_of(admin: &Person, path: &str) -> Vec<String> {
    let ids = async |list: &str| -> Vec<String> {
        let page = admin.get(list).await.expect(200);
        page.rows().iter().map(|row| row["id"].to_string().trim_matches('"').to_owned()).collect()
    };
    match path {
        _ if path.contains("{qr_code}") => known_codes().into_iter().map(str::to_owned).collect(),
        _ if path.contains("{bill_number}") => BILLS.into_iter().map(str::to_owned).collect(),
        "/api/v1/scans/{id}" => ids("/scans?limit=200").await,
        "/api/v1/audit-logs/{id}" => ids("/audit-logs?limit=200").await,
        "/api/v1/users/{id}" => ids("/users?limit=200").await,
        "/problems/{code}" => vec!["linked_elsewhere".into(), "other_dispatch_area".into()],
        _ if path.contains('{') => vec!["1".into(), "019ab0f2-7c31-7b66-8d35-2f4d6e2b9a11".into()],
        _ => vec![String::new()],
    }
}

/// Everything a person can read: each answer with the address it came from.
async fn everything_read_by(person: &Person, calls: &[Call]) -> Vec<(String, String)> {
    let mut read = Vec::new();
    for call in calls {
        let request = person.client.request(Method::GET, format!("{}{}", person.base_url, call.path));
        let response = request.bearer_auth(person.token.as_ref().expect("a token")).send().await;
        let bytes = response.expect("an answer").bytes().await.expect("a whole answer");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // What a refusal repeats of the address is the reader's own.
        let text = if call.asked_for.is_empty() { text } else { text.replace(&call.asked_for, "?") };
        read.push((call.path.clone(), text));
    }
    read
}

/// The secrets in what was read, with where each was found.
fn found(read: &[(String, String)], secrets: &[&str]) -> BTreeSet<String> {
    let hits = |(path, text): &(String, String)| -> Vec<String> {
        let known = secrets.iter().filter(|secret| text.contains(**secret));
        known.map(|secret| format!("{secret} in {path}")).collect()
    };
    read.iter().flat_map(hits).collect()
}

fn heard(listener: &Listener) -> Vec<(String, String)> {
    listener.frames().iter().map(|frame| (format!("{} {}", frame.event, frame.data["action"]), frame.data.to_string())).collect()
}

/// An event that everybody hears last.
async fn last_word(people: &People, listeners: [&mut Listener; 3]) {
    for (packer, code) in [(&people.here, "SB7999001"), (&people.there, "SB7999002")] {
        packer.scans(code).await.expect(201);
    }
    let [here, there, biller] = listeners;
    here.read_until(|text| text.contains("SB7999001")).await;
    there.read_until(|text| text.contains("SB7999002")).await;
    biller.read_until(|text| text.contains("SB7999001") && text.contains("SB7999002")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_packer_reads_a_code_of_another_area() {
    let warehouse = Warehouse::open().await;
    let people = People::of(&warehouse).await;
    let answers = a_busy_day(&people).await;
    let unknown = "SELECT count(*) AS n FROM audit_logs WHERE CASE entity_type WHEN 'bag' THEN area_id IS NULL \
                   WHEN 'bill' THEN codes_by_area IS NULL END";
    assert_eq!(database::number(&warehouse.database_url, unknown).await, 0, "every entry says whose it is");
    let calls = readable_calls(&people.admin).await;
    let by_here = everything_read_by(&people.here, &calls).await;
    let by_there = everything_read_by(&people.there, &calls).await;
    assert_eq!(found(&answers, &OF_THERE), BTreeSet::new());
    assert_eq!(found(&by_here, &OF_THERE), BTreeSet::new());
    assert_eq!(found(&by_there, &OF_HERE), BTreeSet::new());
    // The walk sees what there is to be seen.
    for (read, own) in [(&by_here, &OF_HERE[..]), (&by_there, &OF_THERE[..OF_THERE.len() - 1])] {
        for secret in own {
            assert_ne!(found(read, &[secret]), BTreeSet::new(), "{secret} is its own area's to read");
        }
    }
    for reader in [&people.biller, &people.admin] {
        let read = everything_read_by(reader, &calls).await;
        for secret in OF_HERE.iter().chain(&OF_THERE) {
            assert_ne!(found(&read, &[secret]), BTreeSet::new(), "{secret} is known to those above");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_packer_hears_a_code_of_another_area_live_or_later() {
    let warehouse = Warehouse::open().await;
    let people = People::of(&warehouse).await;
    let before = scan_id();
    let mut here = Listener::of(&people.here, None).await;
    let mut there = Listener::of(&people.there, None).await;
    let mut biller = Listener::of(&people.biller, None).await;
    a_busy_day(&people).await;
    last_word(&people, [&mut here, &mut there, &mut biller]).await;
    let mut here_later = Listener::of(&people.here, Some(&before)).await;
    let mut there_later = Listener::of(&people.there, Some(&before)).await;
    let mut biller_later = Listener::of(&people.biller, Some(&before)).await;
    here_later.read_until(|text| text.contains("SB7999001")).await;
    there_later.read_until(|text| text.contains("SB7999002")).await;
    biller_later.read_until(|text| text.contains("SB7999002")).await;
    for listener in [&here, &here_later] {
        assert_eq!(found(&heard(listener), &OF_THERE), BTreeSet::new());
    }
    for listener in [&there, &there_later] {
        assert_eq!(found(&heard(listener), &OF_HERE), BTreeSet::new());
    }
    for listener in [&biller, &biller_later] {
        for secret in OF_HERE.iter().chain(&OF_THERE) {
            assert_ne!(found(&heard(listener), &[secret]), BTreeSet::new(), "{secret} is heard by billers");
        }
    }
    for (listener, later) in [(&here, &here_later), (&there, &there_later), (&biller, &biller_later)] {
        assert_eq!(live_again(listener), live_again(later), "what is replayed is what was told");
    }
}

/// Events of bags and bills by id, as they were told.
fn live_again(listener: &Listener) -> BTreeSet<(String, String)> {
    let frames = listener.frames();
    let told = frames.iter().filter(|frame| !frame.id.is_empty());
    told.map(|frame| (frame.id.clone(), frame.data.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_area_hears_its_own_side_of_a_move() {
    let warehouse = Warehouse::open().await;
    let people = People::of(&warehouse).await;
    people.here.packs("SB7100001", codes(&["LKO-01"])).await;
    people.there.packs("SB7200001", codes(&["MOVED-01"])).await;
    let mut here = Listener::of(&people.here, None).await;
    let mut there = Listener::of(&people.there, None).await;
    let mut biller = Listener::of(&people.biller, None).await;
    let bill = json!({"bill_number": "B1", "destination": "Delhi", "vehicle_number": "RJ14", "expected_parent_bags": 9});
    people.biller.post("/bills", bill).await.expect(201);
    let both = json!({"qr_codes": ["SB7100001", "SB7200001"]});
    people.biller.post("/bills/B1/bags", both.clone()).await.expect(200);
    people.biller.put("/bags/MOVED-01/parent", json!({"parent_qr_code": "SB7100001"})).await.expect(200);
    people.biller.delete("/bills/B1/bags/SB7200001").await.expect(204);
    last_word(&people, [&mut here, &mut there, &mut biller]).await;
    let details = |listener: &Listener, action: &str, id: &str| -> Value {
        let frames = listener.frames();
        let told = frames.iter().find(|frame| frame.data["action"] == action && frame.data["entity_id"] == id);
        told.unwrap_or_else(|| panic!("{action} {id} is told")).data["details"].clone()
    };
    assert_eq!(details(&here, "bill_bag_added", "B1"), json!({"before": null, "after": {"qr_codes": ["SB7100001"]}}));
    assert_eq!(details(&there, "bill_bag_added", "B1"), json!({"before": null, "after": {"qr_codes": ["SB7200001"]}}));
    assert_eq!(details(&biller, "bill_bag_added", "B1")["after"], both);
    let (left, entered) = (json!({"parent_qr_code": "SB7200001"}), json!({"parent_qr_code": "SB7100001"}));
    assert_eq!(details(&here, "child_moved", "MOVED-01"), json!({"before": null, "after": entered}));
    assert_eq!(details(&there, "child_moved", "MOVED-01"), json!({"before": left, "after": null}));
    assert_eq!(details(&biller, "child_moved", "MOVED-01"), json!({"before": left, "after": entered}));
    // An area whose last bag leaves the bill hears of it.
    assert_eq!(details(&there, "bill_bag_removed", "B1"), json!({"before": {"qr_codes": ["SB7200001"]}, "after": null}));
    assert_eq!(details(&here, "bill_bag_removed", "B1"), json!({"before": {"qr_codes": []}, "after": null}));
    let history = people.here.get("/bags/MOVED-01/history").await.expect(200);
    let events: Vec<&str> = history.rows().iter().map(|row| row["event"].as_str().expect("an event")).collect();
    assert_eq!(events, ["child_moved"], "what it was before is the other area's");
    assert_eq!(history.rows()[0]["details"], json!({"after": entered}));
    assert_eq!(history.rows()[0]["parent_qr_code"], "SB7100001");
    let left_parent = people.there.get("/bags/SB7200001/history").await.expect(200);
    let moved = left_parent.rows().iter().find(|row| row["event"] == "child_moved").expect("it left");
    assert_eq!((&moved["details"], &moved["parent_qr_code"]), (&json!({"before": left}), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_from_before_areas_were_noted_show_a_packer_no_details() {
    let warehouse = Warehouse::open().await;
    let people = People::of(&warehouse).await;
    people.here.packs("SB7100001", codes(&["LKO-01"])).await;
    people.there.packs("SB7200001", codes(&["MOVED-01"])).await;
    people.biller.put("/bags/MOVED-01/parent", json!({"parent_qr_code": "SB7100001"})).await.expect(200);
    let forget = "SET traitortrack.maintenance = 'on'; \
                  UPDATE audit_logs SET area_id = NULL, previous_area_id = NULL, codes_by_area = NULL";
    database::execute(&warehouse.database_url, forget).await;
    let history = people.here.get("/bags/MOVED-01/history").await.expect(200);
    let moved = history.rows().iter().find(|row| row["event"] == "child_moved").expect("it moved");
    assert_eq!((&moved["details"], &moved["parent_qr_code"]), (&json!({}), &Value::Null));
    assert!(!history.text.contains("SB7200001"), "{}", history.text);
    let of_parent = people.there.get("/bags/SB7200001/history").await.expect(200);
    assert!(!of_parent.text.contains("child_moved") && !of_parent.text.contains("SB7100001"), "{}", of_parent.text);
    let whole = people.biller.get("/bags/MOVED-01/history").await.expect(200);
    assert_eq!(whole.rows()[0]["details"]["before"], json!({"parent_qr_code": "SB7200001"}));
    let mut listener = Listener::of(&people.here, Some(&whole.rows()[1]["id"].to_string().replace('"', ""))).await;
    people.here.scans("SB7999001").await.expect(201);
    listener.read_until(|text| text.contains("SB7999001")).await;
    assert!(!listener.text.contains("MOVED-01"), "{}", listener.text);
}
