//! Readiness tells whether a scan can be written now; writes that fail for lack of it get 503 with
//! `Retry-After`.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::person::scan_id;
use crate::support::process::ServerProcess;
use crate::support::small_disk::SmallDisk;
use crate::support::warehouse::ADMIN_PASSWORD;
use crate::support::{Answer, Person, Warehouse, database, eventually};

async fn detailed(person: &Person) -> Answer {
    let request = person.client.get(format!("{}/api/health/detailed", person.base_url));
    Answer::of(request.bearer_auth(person.token.clone().expect("signed in"))).await
}

async fn becomes(person: &Person, status: u16) {
    for path in ["/health/ready", "/health"] {
        let reached = async || {
            let answer = person.get_root(path).await;
            let expected = if status == 200 { "healthy" } else { "unhealthy" };
            answer.status == status && answer.body["status"] == expected
        };
        eventually(&format!("{path} says {status}"), reached).await;
        let head = Answer::of(person.client.head(format!("{}{path}", person.base_url))).await;
        assert_eq!((head.status, &*head.text), (status, ""), "HEAD {path}");
    }
    person.get_root("/health/live").await.expect(200);
}

/// Detailed health names the problem and says what to do. Without sign-in it shows the status only.
async fn assert_says(admin: &Person, problem: &str) {
    let report = detailed(admin).await.expect(503).body;
    assert_eq!(report["status"], "unhealthy", "{report}");
    let writer = &report["checks"]["scan_writer"];
    assert_eq!((writer["status"].as_str(), writer["problem"].as_str()), (Some("unhealthy"), Some(problem)), "{report}");
    assert!(writer["detail"].as_str().is_some_and(|sentence| sentence.ends_with('.')), "{report}");
    let strangers = admin.get_root("/api/health/detailed").await.expect(503).body;
    assert_eq!(strangers["checks"]["scan_writer"], json!({"status": "unhealthy"}));
}

/// Writes of many kinds that an admin may make.
fn writes(n: usize) -> Vec<(Method, &'static str, Value)> {
    vec![
        (Method::POST, "/scans", json!({"qr_code": format!("CW-{n}"), "parent_qr_code": "SB00001", "id": scan_id()})),
        (Method::POST, "/scans/batch", json!({"scans": [{"qr_code": format!("CV-{n}"), "parent_qr_code": "SB00001", "id": scan_id()}]})),
        (Method::POST, "/bags", json!({"qr_code": format!("SB9{n:04}")})),
        (Method::PUT, "/bags/CB-0/parent", json!({"parent_qr_code": null})),
        (Method::POST, "/bags/SB00001/complete", json!(null)),
        (
            Method::POST,
            "/bills",
            json!({"bill_number": format!("BILL-{n}"), "destination": "Jaipur", "vehicle_number": "RJ14", "expected_parent_bags": 2}),
        ),
        (Method::POST, "/users", json!({"username": format!("user-{n}"), "password": "Battery-Staple9", "role": "biller"})),
        (Method::POST, "/api-keys", json!({"name": format!("key {n}"), "scopes": ["bags:read"]})),
        (Method::POST, "/dispatch-areas", json!({"code": format!("Area{n}"), "name": format!("Area {n}")})),
        (Method::POST, "/bag-formats", json!({"name": format!("Format {n}"), "kind": "child", "pattern": format!("^Q{n}[0-9]+$")})),
        (Method::GET, "/exports/bags?format=csv", json!(null)),
        (Method::POST, "/me/2fa/setup", json!(null)),
        (Method::POST, "/auth/login", json!({"username": "admin", "password": ADMIN_PASSWORD})),
    ]
}

async fn send(admin: &Person, (method, path, body): &(Method, &str, Value)) -> Answer {
    let request = admin.request(method.clone(), path);
    Answer::of(if body.is_null() { request } else { request.json(body) }).await
}

async fn assert_writes_are_refused(admin: &Person, n: usize, code: &str) {
    for write in writes(n) {
        let answer = send(admin, &write).await;
        assert_eq!((answer.status, answer.code()), (503, code), "{} {}: {}", write.0, write.1, answer.text);
        assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{}", write.1);
        assert!(answer.body["detail"].as_str().is_some_and(|sentence| sentence.ends_with('.')), "{}", answer.text);
    }
}

/// Calls every operation of the document: none may return 500, and each 503 must have
/// `Retry-After`.
async fn assert_no_operation_returns_500(admin: &Person) {
    let document = admin.get_root("/openapi.json").await.expect(200).body;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().unwrap_or_default();
            if matches!(id, "listen_to_events" | "logout" | "logout_all") {
                continue;
            }
            let path = path.replace("{qr_code}", "CB-0").replace("{id}", "1").replace("{code}", "unavailable").replace("{bill_number}", "NONE");
            let request = admin.client.request(method.to_uppercase().parse().expect("a method"), format!("{}{path}", admin.base_url));
            let request = request.bearer_auth(admin.token.as_deref().expect("signed in")).header("if-match", "\"1\"");
            let answer = Answer::of(if method == "get" { request } else { request.json(&json!({})) }).await;
            assert_ne!(answer.status, 500, "{id}: {}", answer.text);
            let is_health = path.contains("health");
            assert!(answer.status != 503 || is_health || !answer.header("retry-after").is_empty(), "{id}: {}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_is_read_only_is_not_ready_and_what_writes_is_refused_until_it_is_written_again() {
    let warehouse = Warehouse::open().await;
    let (admin, url) = (warehouse.admin().await, &warehouse.database_url);
    admin.packs("SB00001", ["CB-0".into()]).await;
    becomes(&admin, 200).await;
    let name = url.rsplit('/').next().expect("a name");
    // From another database, because this one becomes read-only.
    let server = url.replace(name, "postgres");
    let terminate = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    for n in 0..2 {
        database::execute(&server, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on; {terminate}")).await;
        becomes(&admin, 503).await;
        assert_writes_are_refused(&admin, n, "unavailable").await;
        assert_says(&admin, "read_only").await;
        assert_no_operation_returns_500(&admin).await;
        // Reads still work.
        admin.get("/bags/SB00001").await.expect(200);
        admin.get("/scans").await.expect(200);
        // The open connections stay read-only; the server must replace them by itself.
        database::execute(&server, &format!("ALTER DATABASE {name} RESET default_transaction_read_only")).await;
        becomes(&admin, 200).await;
        eventually("scans are written", async || admin.scans_into("SB00001", &format!("CB-1{n}")).await.status < 300).await;
        eventually("bags are made", async || admin.post("/bags", json!({"qr_code": format!("SB8000{n}")})).await.status != 503).await;
        eventually("all is well", async || detailed(&admin).await.body["status"] == "healthy").await;
    }
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_is_not_ready_and_what_writes_is_refused_until_there_is_room() {
    let Some(disk) = SmallDisk::mount(256) else { return };
    let server = ServerProcess::start(&disk.folder.join("var"), None).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    admin.packs("SB00001", ["CB-0".into()]).await;
    becomes(&admin, 200).await;
    for n in 0..2 {
        disk.fill(0);
        becomes(&admin, 503).await;
        assert_says(&admin, "storage_full").await;
        // Existing pages may have space; a scan that needs a new page is refused.
        let mut refused = 0;
        for bag in 0..4_000 {
            let scan = json!({"qr_code": format!("CF-{n}-{bag}"), "parent_qr_code": format!("SB7{n}{:03}", bag / 30), "id": scan_id()});
            let answer = admin.post("/scans", scan).await;
            assert!(answer.status < 500 || answer.code() == "storage_full", "{}", answer.text);
            refused += usize::from(answer.status == 503);
            if refused == 3 {
                assert!(!answer.header("retry-after").is_empty());
                break;
            }
        }
        assert_eq!(refused, 3, "the disk is full");
        admin.get("/bags/SB00001").await.expect(200);
        disk.free();
        becomes(&admin, 200).await;
        eventually("scans are written", async || admin.scans_into("SB00001", &format!("CB-1{n}")).await.status < 300).await;
        eventually("all is well", async || detailed(&admin).await.body["checks"]["scan_writer"]["status"] == "healthy").await;
    }
}

/// A lock on a table that every scan writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_whose_scans_are_stuck_is_not_ready() {
    let warehouse = Warehouse::open().await;
    let admin = warehouse.admin().await;
    admin.packs("SB00001", ["CB-0".into()]).await;
    for table in ["scans", "bags", "bag_links"] {
        let (url, held) = (warehouse.database_url.clone(), tokio::sync::Notify::new());
        let lock = async {
            database::execute(&url, &format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(20); COMMIT")).await;
            held.notify_one();
        };
        let look = async {
            becomes(&admin, 503).await;
            let report = detailed(&admin).await.body;
            assert_eq!(report["checks"]["scan_writer"]["status"], "unhealthy", "{table}: {report}");
            held.notified().await;
            becomes(&admin, 200).await;
        };
        tokio::join!(lock, look);
    }
}

/// All SQLSTATE codes of temporary failures, raised in different requests and with a message in
/// another language.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn temporary_failures_of_the_database_are_503_with_retry_after() {
    let warehouse = Warehouse::open().await;
    let (admin, url) = (warehouse.admin().await, &warehouse.database_url);
    admin.packs("SB00001", ["CB-0".into()]).await;
    database::execute(
        url,
        "CREATE TABLE faults (code text NOT NULL); GRANT SELECT ON faults TO traitortrack_app; \
         CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE fault text := (SELECT code FROM faults); BEGIN \
           IF fault IS NOT NULL THEN RAISE EXCEPTION 'etwas ist schiefgegangen' USING ERRCODE = fault; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON bags FOR EACH STATEMENT EXECUTE FUNCTION fail(); \
         CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON users FOR EACH STATEMENT EXECUTE FUNCTION fail(); \
         CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON bills FOR EACH STATEMENT EXECUTE FUNCTION fail(); \
         CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON sessions FOR EACH STATEMENT EXECUTE FUNCTION fail()",
    )
    .await;
    let unavailable = [
        "53000", "53200", "53300", "53400", "25006", "57000", "57014", "57P01", "57P02", "57P03", "57P04", "57P05", "58000", "58030", "08000",
        "08003", "08006", "40001", "40P01", "55P03", "25P03",
    ];
    for (n, (code, expected)) in unavailable.iter().map(|code| (*code, "unavailable")).chain([("53100", "storage_full")]).enumerate() {
        database::execute(url, &format!("INSERT INTO faults VALUES ('{code}')")).await;
        for write in writes(n).iter().filter(|(_, path, _)| ["/scans", "/bags", "/bills", "/users", "/auth/login"].contains(path)) {
            let answer = send(&admin, write).await;
            assert_eq!((answer.status, answer.code()), (503, expected), "{code} {}: {}", write.1, answer.text);
            assert!(!answer.header("retry-after").is_empty(), "{code} {}", write.1);
            assert!(!answer.text.contains("schiefgegangen"), "{}", answer.text);
        }
        database::execute(url, "DELETE FROM faults").await;
    }
    // Other errors stay 500.
    database::execute(url, "INSERT INTO faults VALUES ('22012')").await;
    assert_eq!(admin.post("/bags", json!({"qr_code": "SB60000"})).await.status, 500);
    database::execute(url, "DELETE FROM faults").await;
    eventually("scans are written", async || admin.scans_into("SB00001", "CB-9").await.status < 300).await;
    warehouse.assert_counts_equal_rows().await;
}

/// One row for each process, updated in place.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn heartbeats_take_one_row_for_each_process() {
    let warehouse = Warehouse::open().await;
    becomes(&warehouse.nobody(), 200).await;
    let url = &warehouse.database_url.clone();
    let rows = "SELECT count(*) AS n FROM write_heartbeats";
    assert_eq!(database::number(url, rows).await, 1, "a row for each process");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(database::number(url, rows).await, 1);
    assert!(database::number(url, "SELECT pg_relation_size('write_heartbeats') AS n").await <= 16_384);
    let other = Warehouse::open_on(url.clone(), |_| {}).await;
    becomes(&other.nobody(), 200).await;
    assert_eq!(database::number(url, rows).await, 2);
    // The row of an ended process is deleted after a day.
    database::execute(url, "UPDATE write_heartbeats SET written_at = now() - interval '25 hours'").await;
    other.close().await;
    warehouse.close().await;
    let pool = traitortrack::db::pool::create(url, &traitortrack::config::Config::defaults().database).expect("a pool");
    traitortrack::system::housekeeping::sweep(&pool).await.expect("sweeps");
    assert!(database::number(url, rows).await <= 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_drains_is_not_ready_although_it_writes() {
    let direct = database::migrated().await;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("drains-{}", uuid::Uuid::new_v4().simple()));
    let settings = [("DRAIN_SECONDS", "8"), ("SKIP_MIGRATIONS", "true")];
    let mut server = ServerProcess::start_with(&folder, Some(&direct), &settings).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    server.request_stop();
    eventually("it is not ready", async || !server.is_ready().await).await;
    admin.scans("SB00001").await.expect(201);
    assert!(server.ended().await.is_some_and(|status| status.success()));
}
