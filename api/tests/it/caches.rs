//! Answers that are kept: never older than one's own write, seen by others within their lifetime, made once for many.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::imports;
use crate::support::process::ServerProcess;
use crate::support::{Answer, Person, Redis, Warehouse, database, eventually};

/// Longer than any test waits, so that an answer that is kept is seen to be.
const LONG_SECONDS: u64 = 60;
/// Everything of the dashboard.
const DASHBOARD: [&str; 5] = ["/stats", "/stats/scans-per-hour", "/stats/areas", "/stats/people", "/stats/recent"];

fn long_lived(config: &mut traitortrack::config::Config) {
    config.cache_seconds = LONG_SECONDS;
}

async fn body(person: &Person, path: &str) -> Value {
    person.get(path).await.expect(200).body
}

/// The totals of a page of the dashboard that somebody sees, as one number that grows with each scan.
async fn scans_seen(person: &Person, path: &str) -> i64 {
    let body = body(person, path).await;
    let sum = |field: &str| body["data"].as_array().into_iter().flatten().filter_map(|row| row[field].as_i64()).sum();
    match path {
        "/stats" => body["scans"]["total"].as_i64().expect("a total"),
        "/stats/scans-per-hour" => sum("total"),
        "/stats/areas" | "/stats/people" => sum("scans"),
        _ => body["data"].as_array().expect("rows").len() as i64,
    }
}

fn at(person: &Person, warehouse: &Warehouse) -> Person {
    Person { base_url: warehouse.base_url.clone(), ..person.clone() }
}

/// Every way of writing, each followed at once by looks at what it changes: in `here`, where it was written, or elsewhere.
async fn nobody_misses_their_own_write(writer: &Person, reader: &Person) {
    let bag = async |code: &str| body(reader, &format!("/bags/{code}")).await;
    let found = async |term: &str, group: &str| {
        let found = body(reader, &format!("/search?q={term}")).await;
        found[group].as_array().expect("a group").clone()
    };
    // A scan: the bag, its parent, the search and every page of the dashboard.
    assert_eq!(found("90001", "bags").await.len(), 0);
    writer.scans("SB90001").await.expect(201);
    assert_eq!(found("90001", "bags").await.len(), 1);
    for n in 1..=3 {
        for page in DASHBOARD {
            assert_eq!(scans_seen(reader, page).await, n, "{page}");
        }
        assert_eq!(bag("SB90001").await["child_count"], n - 1);
        writer.scans_into("SB90001", &format!("CB-9{n}")).await.expect(201);
        assert_eq!(bag("SB90001").await["child_count"], n);
        assert_eq!(bag(&format!("CB-9{n}")).await["parent"], "SB90001");
    }
    // Undoing it.
    writer.act("/scans/undo-last").await.expect(200);
    assert_eq!(bag("CB-93").await["parent"], Value::Null);
    assert_eq!(bag("SB90001").await["child_count"], 2);
    assert_eq!(body(reader, "/stats").await["scans"]["total"], 5);
    // A batch.
    let scans: Vec<Value> = (4..=6).map(|n| json!({"qr_code": format!("CB-9{n}"), "parent_qr_code": "SB90001"})).collect();
    writer.post("/scans/batch", json!({"scans": scans})).await.expect(200);
    assert_eq!(bag("SB90001").await["child_count"], 5);
    assert_eq!(body(reader, "/stats").await["bags"]["children"], 6);
    // A bill, and a bag on it; a child is on the bill of its parent.
    let bill = json!({"bill_number": "B-9001", "destination": "Delhi", "vehicle_number": "RJ14", "expected_parent_bags": 1});
    assert_eq!(body(reader, "/stats").await["bills"]["total"], 0);
    assert_eq!(found("B-9001", "bills").await.len(), 0);
    writer.post("/bills", bill).await.expect(201);
    assert_eq!(body(reader, "/stats").await["bills"]["total"], 1);
    assert_eq!(found("B-9001", "bills").await.len(), 1);
    assert_eq!(bag("CB-91").await["bill"], Value::Null);
    writer.post("/bills/B-9001/bags", json!({"qr_codes": ["SB90001"]})).await.expect(200);
    assert_eq!((bag("SB90001").await["bill"].as_str(), bag("CB-91").await["bill"].as_str()), (Some("B-9001"), Some("B-9001")));
    assert_eq!(found("B-9001", "bills").await[0]["parent_bag_count"], 1);
    writer.delete("/bills/B-9001/bags/SB90001").await.expect(204);
    assert_eq!(bag("CB-91").await["bill"], Value::Null);
    // An edit, a move, a deletion.
    writer.patch("/bags/CB-91", json!({"name": "Black"})).await.expect(200);
    assert_eq!(bag("CB-91").await["name"], "Black");
    writer.put("/bags/CB-92/parent", json!({"parent_qr_code": null})).await.expect(200);
    assert_eq!(bag("SB90001").await["child_count"], 4);
    let seen = reader.get("/bags/CB-92").await.expect(200);
    writer.delete_seen("/bags/CB-92", &seen).await.expect(204);
    reader.get("/bags/CB-92").await.problem(404, "bag_not_found");
    assert_eq!(body(reader, "/stats").await["bags"]["children"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_misses_their_own_write_in_one_process() {
    let warehouse = Warehouse::open_with(long_lived).await;
    let admin = warehouse.admin().await;
    nobody_misses_their_own_write(&admin, &admin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_misses_their_own_write_in_another_process() {
    let redis = Redis::start();
    let settings = |config: &mut traitortrack::config::Config| {
        long_lived(config);
        config.redis_url = redis.url();
    };
    let database_url = database::migrated().await;
    let (one, other) = (Warehouse::open_on(database_url.clone(), settings).await, Warehouse::open_on(database_url, settings).await);
    let admin = one.admin().await;
    nobody_misses_their_own_write(&admin, &at(&admin, &other)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_with_a_key_is_its_owners() {
    let warehouse = Warehouse::open_with(long_lived).await;
    let admin = warehouse.admin().await;
    let key = admin.post("/api-keys", json!({"name": "k", "scopes": ["scans:write", "stats:read"]})).await.expect(201).body;
    let machine = Person { token: key["key"].as_str().map(str::to_owned), ..warehouse.nobody() };
    assert_eq!(scans_seen(&admin, "/stats").await, 0);
    machine.scans("SB00001").await.expect(201);
    assert_eq!((scans_seen(&machine, "/stats").await, scans_seen(&admin, "/stats").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_seen_by_who_handed_it_in_when_it_is_done() {
    let warehouse = Warehouse::open_with(long_lived).await;
    let admin = warehouse.admin().await;
    assert_eq!(body(&admin, "/stats").await["bags"]["children"], 0);
    let taken = imports::send(&admin, &[("kind", "bags")], "bags.csv", imports::CSV, b"qr_code\nCB-1\nCB-2\n").await.expect(202);
    // Asked while the import may be running, and so kept without its rows.
    body(&admin, "/stats").await;
    assert_eq!(imports::finished(&admin, &taken.body).await["status"], "succeeded");
    assert_eq!(body(&admin, "/stats").await["bags"]["children"], 2);
}

/// With a lifetime that no test outlives, others see the old; with the usual one they see the new soon.
#[tokio::test(flavor = "multi_thread")]
async fn others_see_it_within_the_lifetime_and_bags_at_once() {
    let warehouse = Warehouse::open_with(long_lived).await;
    let (packer, biller) = (warehouse.packer("Lucknow").await, warehouse.biller().await);
    packer.scans("SB00001").await.expect(201);
    assert_eq!(body(&biller, "/bags/SB00001").await["child_count"], 0);
    for page in DASHBOARD {
        assert_eq!(scans_seen(&biller, page).await, 1, "{page}");
    }
    packer.scans_into("SB00001", "CB-1").await.expect(201);
    for page in DASHBOARD {
        assert_eq!((scans_seen(&packer, page).await, scans_seen(&biller, page).await), (2, 1), "{page}");
    }
    assert_eq!(body(&biller, "/bags/SB00001").await["child_count"], 1);
    // Whoever tells what they must see gets it from the database, and so do those who ask next.
    let token = biller.request(Method::GET, "/stats").header("x-consistency-token", "0/1");
    assert_eq!(Answer::of(token).await.expect(200).body["scans"]["total"], 2);
    assert_eq!(scans_seen(&biller, "/stats").await, 2);

    let usual = Warehouse::open_on(warehouse.database_url.clone(), |_| {}).await;
    let (packer, biller) = (at(&packer, &usual), at(&biller, &usual));
    assert_eq!(scans_seen(&biller, "/stats").await, 2);
    packer.scans_into("SB00001", "CB-2").await.expect(201);
    eventually("others see the scan", async || scans_seen(&biller, "/stats").await == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_answers_are_shown_only_to_those_who_may_see_them() {
    let warehouse = Warehouse::open_with(long_lived).await;
    let (lucknow, indore) = (warehouse.packer("Lucknow").await, warehouse.packer("Indore").await);
    let (biller, admin) = (warehouse.biller().await, warehouse.admin().await);
    lucknow.scans("SB77001").await.expect(201);
    indore.scans("SB77002").await.expect(201);
    indore.scans_into("SB77002", "CB77003").await.expect(201);
    // Each order of asking: whoever comes first makes the answer.
    for order in [[&admin, &biller, &lucknow, &indore], [&indore, &lucknow, &biller, &admin]] {
        admin.act("/admin/cache/clear").await.expect(204);
        for person in order {
            let is = |other: &Person| person.token == other.token;
            let scans = if is(&lucknow) {
                1
            } else if is(&indore) {
                2
            } else {
                3
            };
            for page in DASHBOARD {
                assert_eq!(scans_seen(person, page).await, scans, "{page}");
            }
            let found = body(person, "/search?q=b77").await;
            assert_eq!(found["bags"].as_array().map(Vec::len), Some(scans as usize));
            let people = body(person, "/search?q=dispatcher-").await["users"].as_array().map(Vec::len);
            assert_eq!(people, Some(if is(&admin) { 2 } else { 0 }));
            let bag = person.get("/bags/SB77002").await;
            if is(&lucknow) {
                bag.problem(404, "bag_not_found")
            } else {
                bag.expect(200)
            };
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_not_sent_again_from_the_cache_either() {
    let warehouse = Warehouse::open_with(long_lived).await;
    let admin = warehouse.admin().await;
    admin.packs("SB00001", ["CB-1".into()]).await;
    for path in DASHBOARD.into_iter().chain(["/bags/SB00001", "/search?q=SB0"]) {
        let made = admin.get(path).await.expect(200);
        let kept = admin.get(path).await.expect(200);
        assert_eq!((made.header("etag"), &made.text), (kept.header("etag"), &kept.text), "{path}");
        assert_eq!((kept.header("content-type"), kept.header("cache-control")), ("application/json", "private, no-cache"));
        let unchanged = Answer::of(admin.request(Method::GET, path).header("if-none-match", made.header("etag"))).await.expect(304);
        assert_eq!((unchanged.text.as_str(), unchanged.header("etag")), ("", made.header("etag")));
        let other = Answer::of(admin.request(Method::GET, path).header("if-none-match", "\"other\"")).await.expect(200);
        assert_eq!(other.text, made.text);
    }
    let tag = admin.get("/bags/SB00001").await.expect(200).header("etag").to_owned();
    admin.scans_into("SB00001", "CB-2").await.expect(201);
    Answer::of(admin.request(Method::GET, "/bags/SB00001").header("if-none-match", tag)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn clearing_the_cache_shows_everyone_everywhere_what_is() {
    let redis = Redis::start();
    let settings = |config: &mut traitortrack::config::Config| {
        long_lived(config);
        config.redis_url = redis.url();
    };
    let database_url = database::migrated().await;
    let (one, other) = (Warehouse::open_on(database_url.clone(), settings).await, Warehouse::open_on(database_url.clone(), settings).await);
    let (admin, biller) = (one.admin().await, one.biller().await);
    let there = at(&biller, &other);
    for person in [&admin, &biller, &there] {
        assert_eq!(body(person, "/stats").await["bags"]["parents"], 0);
    }
    let sql = "INSERT INTO bags (qr_code, kind, format_id, capacity, status) VALUES ('SB1', 'parent', 1, 30, 'open')";
    database::execute(&database_url, sql).await;
    for person in [&biller, &there] {
        assert_eq!(body(person, "/stats").await["bags"]["parents"], 0, "nobody here knows");
    }
    admin.act("/admin/cache/clear").await.expect(204);
    for person in [&admin, &biller, &there] {
        assert_eq!(body(person, "/stats").await["bags"]["parents"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_own_writes_still_hold_and_others_are_seen_in_time() {
    let mut redis = Redis::start();
    let settings = |config: &mut traitortrack::config::Config| config.redis_url = redis.url();
    let database_url = database::migrated().await;
    let (one, other) = (Warehouse::open_on(database_url.clone(), settings).await, Warehouse::open_on(database_url, settings).await);
    let packer = one.packer("Lucknow").await;
    let there = at(&packer, &other);
    assert_eq!((scans_seen(&packer, "/stats").await, scans_seen(&there, "/stats").await), (0, 0));
    redis.stop();
    for n in 1..=5 {
        packer.scans(&format!("SB{n:05}")).await.expect(201);
        assert_eq!(scans_seen(&packer, "/stats").await, n);
        assert_eq!(body(&there, &format!("/bags/SB{n:05}")).await["child_count"], 0);
    }
    let metrics = one.nobody().get_root("/metrics").await.expect(200).text;
    assert!(counted(&metrics, "cache_marks_lost_total") >= 5.0, "{metrics}");
    eventually("the other process sees the scans", async || scans_seen(&there, "/stats").await == 5).await;

    redis.start_again();
    // A mark that Redis takes tells that it is in use again.
    for n in 6.. {
        let lost = counted(&one.nobody().get_root("/metrics").await.expect(200).text, "cache_marks_lost_total");
        packer.scans(&format!("SB{n:05}")).await.expect(201);
        let seen = scans_seen(&there, "/stats").await;
        if counted(&one.nobody().get_root("/metrics").await.expect(200).text, "cache_marks_lost_total") == lost && seen == n {
            return;
        }
        assert!(n < 400, "Redis is not used again");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// The sum of a counter whose labels contain all of these.
fn sum_of(metrics: &str, name: &str, labels: &[&str]) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

fn counted(metrics: &str, name: &str) -> f64 {
    sum_of(metrics, name, &[])
}

/// A process of its own has metrics of its own.
#[tokio::test(flavor = "multi_thread")]
async fn however_many_ask_it_is_made_once() {
    let database_url = database::migrated().await;
    let data_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("caches-{}", Uuid::new_v4().simple()));
    let process = ServerProcess::start_with(&data_dir, Some(&database_url), &[("CACHE_SECONDS", "60")]).await;
    let admin = process.nobody().signed_in("admin", crate::support::warehouse::ADMIN_PASSWORD).await;
    admin.scans("SB00001").await.expect(201);
    for path in ["/stats", "/search?q=SB0", "/bags/SB00001"] {
        let asked = futures_util::future::join_all((0..40).map(|_| admin.get(path))).await;
        assert!(asked.into_iter().all(|answer| answer.status == 200));
    }
    let metrics = admin.get_root("/metrics").await.expect(200).text;
    for topic in ["stats", "search", "bags"] {
        let topic = format!("topic=\"{topic}\"");
        let of = |result: &str| sum_of(&metrics, "cache_requests_total", &[&topic, result]);
        assert_eq!(of("\"miss\""), 1.0, "{topic}: {metrics}");
        assert_eq!(of("\"hit\"") + of("\"joined\""), 39.0, "{topic}: {metrics}");
    }
    drop(process);
    let _never_made = std::fs::remove_dir_all(&data_dir);
}
