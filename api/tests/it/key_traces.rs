//! What a key does names the key: in the audit log, in exports of it and in the log of the server.

use reqwest::Method;
use serde_json::{Value, json};

use crate::imports;
use crate::support::person::scan_id;
use crate::support::process::ServerProcess;
use crate::support::warehouse::{ADMIN_PASSWORD, PASSWORD};
use crate::support::{Answer, Person, Warehouse, database};

/// Every scope there is.
const SCOPES: [&str; 19] = [
    "bags:read",
    "bags:write",
    "scans:read",
    "scans:write",
    "bills:read",
    "bills:write",
    "users:read",
    "users:write",
    "imports:read",
    "imports:write",
    "exports:read",
    "events:read",
    "stats:read",
    "search:read",
    "reports:read",
    "audit-logs:read",
    "notifications:write",
    "dispatch-areas:write",
    "bag-formats:write",
];

/// A key with every scope: its holder, and what was shown of it.
async fn key(owner: &Person, name: &str) -> (Person, Value) {
    let made = owner.post("/api-keys", json!({"name": name, "scopes": SCOPES})).await.expect(201).body;
    let token = made["key"].as_str().expect("a key").to_owned();
    (Person { token: Some(token), cookie: None, ..owner.clone() }, made)
}

async fn merge(person: &Person, path: &str, body: Value) -> Answer {
    let seen = person.get(path).await;
    if seen.header("etag").is_empty() { person.patch(path, body).await } else { person.patch_seen(path, &seen, body).await }
}

async fn packs_and_bills(key: &Person) {
    key.packs("SB00001", ["CB-1".into(), "CB-2".into()]).await;
    key.act("/scans/undo-last").await.expect(200);
    let scans = json!([{"qr_code": "SB00002", "id": scan_id()}, {"qr_code": "CB-3", "parent_qr_code": "SB00002", "id": scan_id()}, 
                       {"qr_code": "CB-4", "parent_qr_code": "SB00002", "id": scan_id()}]);
    key.post("/scans/batch", json!({"scans": scans})).await.expect(200);
    key.act("/bags/SB00001/complete").await.expect(200);
    key.act("/bags/SB00001/reopen").await.expect(200);
    key.put("/bags/CB-3/parent", json!({"parent_qr_code": "SB00001"})).await.expect(200);
    key.put("/bags/CB-3/parent", json!({"parent_qr_code": null})).await.expect(200);
    key.post("/bags", json!({"qr_code": "SB00003"})).await.expect(201);
    merge(key, "/bags/SB00003", json!({"name": "Front"})).await.expect(200);
    key.delete("/bags/SB00003").await.expect(204);
    key.post("/bags/bulk-delete", json!({"qr_codes": ["CB-2"]})).await.expect(200);
    let bill = json!({"bill_number": "B1", "destination": "Jaipur", "vehicle_number": "RJ14", "expected_parent_bags": 2});
    key.post("/bills", bill).await.expect(201);
    merge(key, "/bills/B1", json!({"destination": "Delhi"})).await.expect(200);
    key.post("/bills/B1/bags", json!({"qr_codes": ["SB00001", "SB00002"]})).await.expect(200);
    key.delete("/bills/B1/bags/SB00002").await.expect(204);
    key.post("/bills/B1/finish", json!({})).await.expect(200);
    key.post("/bills/B1/reopen", json!({"reason": "Wrong bag"})).await.expect(200);
    let seen = key.get("/bills/B1").await.expect(200);
    key.delete_seen("/bills/B1", &seen).await.expect(204);
}

async fn administers(key: &Person) {
    key.post("/dispatch-areas", json!({"code": "Nagpur"})).await.expect(201);
    merge(key, "/dispatch-areas/Nagpur", json!({"name": "Old Nagpur"})).await.expect(200);
    let format = json!({"name": "Wheat", "kind": "parent", "pattern": "WH[0-9]{4}", "capacity": 2, "child_weight_kg": 2.5});
    let made = key.post("/bag-formats", format).await.expect(201).body;
    merge(key, &format!("/bag-formats/{}", made["id"]), json!({"capacity": 3})).await.expect(200);
    let user = key.post("/users", json!({"username": "asha", "password": PASSWORD, "role": "biller"})).await.expect(201);
    let path = format!("/users/{}", user.body["id"]);
    merge(key, &path, json!({"email": "asha@example.com"})).await.expect(200);
    merge(key, &path, json!({"role": "admin"})).await.expect(200);
    merge(key, &path, json!({"is_active": false})).await.expect(200);
    merge(key, &path, json!({"is_active": true})).await.expect(200);
    key.act(&format!("{path}/unlock")).await.expect(200);
    key.post(&format!("{path}/password"), json!({"new_password": "Another-Pass1"})).await.expect(204);
    let seen = key.get(&path).await.expect(200);
    key.delete_seen(&path, &seen).await.expect(204);
}

async fn exports_and_imports(key: &Person) {
    key.get("/exports/bags").await.expect(200);
    let files = [
        ("bags", "partial", "code\nIB-1\n"),
        ("bags", "all_or_nothing", "code\nIB-2\n"),
        ("links", "partial", "parent,child\nSB00011,IB-1\n"),
        ("links", "all_or_nothing", "parent,child\nSB00012,IB-2\n"),
    ];
    for (kind, mode, text) in files {
        let taken = imports::send(key, &[("kind", kind), ("mode", mode)], "a.csv", imports::CSV, text.as_bytes()).await.expect(202);
        let done = imports::finished(key, &taken.body).await;
        assert_eq!((done["status"].as_str(), done["progress"]["rows_accepted"].as_i64()), (Some("succeeded"), Some(1)), "{kind} {mode}: {done}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_of_what_a_key_did_names_the_key() {
    let warehouse = Warehouse::open().await;
    let url = &warehouse.database_url;
    let admin = warehouse.admin().await;
    let (weighbridge, made) = key(&admin, "Weighbridge").await;
    let before = database::text(url, "SELECT max(id::text) AS value FROM audit_logs").await;
    packs_and_bills(&weighbridge).await;
    administers(&weighbridge).await;
    exports_and_imports(&weighbridge).await;
    weighbridge.get("/me").await.problem(403, "insufficient_scope");

    let unnamed = format!("SELECT action AS value FROM audit_logs WHERE id > '{before}' AND api_key_id IS DISTINCT FROM {}", made["id"]);
    assert_eq!(database::texts(url, &unnamed).await, Vec::<String>::new());
    // All that a key can do has been done.
    let done = database::texts(url, &format!("SELECT DISTINCT action AS value FROM audit_logs WHERE id > '{before}' ORDER BY 1")).await;
    let expected = [
        "access_denied",
        "bag_changed",
        "bag_created",
        "bag_deleted",
        "bag_format_changed",
        "bag_format_created",
        "bill_bag_added",
        "bill_bag_removed",
        "bill_changed",
        "bill_created",
        "bill_deleted",
        "bill_finished",
        "bill_reopened",
        "child_linked",
        "child_moved",
        "child_unlinked",
        "dispatch_area_changed",
        "dispatch_area_created",
        "export",
        "import",
        "parent_completed",
        "parent_reopened",
        "password_set_by_admin",
        "role_changed",
        "scan_undone",
        "user_changed",
        "user_created",
        "user_deleted",
        "user_disabled",
        "user_enabled",
        "user_unlocked",
    ];
    assert_eq!(done, expected);
    // What the same person does signed in names no key.
    admin.scans("SB00077").await.expect(201);
    let own = "SELECT count(*) AS n FROM audit_logs WHERE entity_id = 'SB00077' AND api_key_id IS NULL";
    assert_eq!(database::number(url, own).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_shows_finds_and_exports_the_key() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    let ((one, made), (other, _)) = (key(&admin, "Weighbridge").await, key(&admin, "ERP").await);
    one.scans("SB00001").await.expect(201);
    other.scans("SB00002").await.expect(201);
    admin.scans("SB00003").await.expect(201);
    let named = json!({"id": made["id"], "name": "Weighbridge"});

    let found = admin.get(&format!("/audit-logs?api_key_id={}", made["id"])).await.expect(200);
    assert_eq!((found.rows().len(), &found.rows()[0]["entity_id"], &found.rows()[0]["api_key"]), (1, &json!("SB00001"), &named));
    assert_eq!(found.rows()[0]["actor"]["username"], "admin");
    let entry = admin.get(&format!("/audit-logs/{}", found.rows()[0]["id"].as_str().expect("an id"))).await.expect(200);
    assert_eq!(entry.body["api_key"], named);
    assert_eq!(admin.get("/audit-logs?entity_id=SB00003").await.expect(200).rows()[0]["api_key"], json!(null));
    assert_eq!(admin.get(&format!("/audit-logs?api_key_id={}&q=SB00002", made["id"])).await.expect(200).rows().len(), 0);
    assert_eq!(admin.get("/audit-logs?api_key_id=999999").await.expect(200).rows().len(), 0);

    let lines = admin.get(&format!("/exports/audit-logs?format=ndjson&api_key_id={}", made["id"])).await.expect(200).text;
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((rows.len(), &rows[0]["api_key"]), (1, &named));
    let csv = admin.get("/exports/audit-logs?format=csv&entity_id=SB00001").await.expect(200).text;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let head = reader.headers().expect("a head").clone();
    let row = reader.records().next().expect("a row").expect("a row");
    let cell = |name: &str| head.iter().position(|column| column == name).and_then(|place| row.get(place));
    assert_eq!((cell("api_key_id"), cell("api_key_name")), (Some(made["id"].to_string().as_str()), Some("Weighbridge")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_request_with_a_key_names_the_key() {
    let url = database::migrated().await;
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("key-{}", uuid::Uuid::new_v4()));
    let server = ServerProcess::start_with(&folder, Some(&url), &[("RUST_LOG", "info"), ("LOG_FORMAT", "json")]).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    let made =
        admin.post("/api-keys", json!({"name": "Scale", "scopes": ["bags:read", "exports:read"], "requests_per_minute": 4})).await.expect(201).body;
    let scale = Person { token: Some(made["key"].as_str().expect("a key").to_owned()), cookie: None, ..admin.clone() };
    let with_id = async |id: &str, path: &str| Answer::of(scale.request(Method::GET, path).header("x-request-id", id)).await.status;
    assert_eq!(with_id("taken", "/bags").await, 200);
    assert_eq!(with_id("exported", "/exports/bags").await, 200);
    assert_eq!(with_id("no-scope", "/scans").await, 403);
    assert_eq!(with_id("not-found", "/bags/SB00001").await, 404);
    assert_eq!(with_id("limited", "/bags").await, 429);
    let ids = ["taken", "exported", "no-scope", "not-found", "limited"];
    // Lines are written on another thread.
    let mut lines: Vec<Value> = Vec::new();
    for _ in 0..100 {
        let output = server.log();
        lines = output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let is_answered = |id: &&str| lines.iter().any(|line| line["span"]["request_id"] == **id && line["message"] == "request completed");
        if ids.iter().all(is_answered) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    for id in ids {
        let own: Vec<&Value> = lines.iter().filter(|line| line["span"]["request_id"] == id).collect();
        assert!(!own.is_empty(), "{id}");
        for line in own {
            assert_eq!((&line["span"]["api_key_id"], line["span"]["user_id"].is_i64()), (&made["id"], true), "{id}: {line}");
        }
    }
    let signed_in = lines.iter().filter(|line| line["span"]["method"] == "POST");
    assert!(signed_in.into_iter().all(|line| line["span"]["api_key_id"].is_null()));
    let _not_there = std::fs::remove_dir_all(&folder);
}
