//! Silent connections to PostgreSQL: no data arrives, and no side reports that they are closed.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use traitortrack::config::{Config, Secret};
use traitortrack::server::Application;

use crate::imports;
use crate::support::person::scan_id;
use crate::support::process::ServerProcess;
use crate::support::proxy::{Moment, Proxy};
use crate::support::replication::Replication;
use crate::support::{Answer, Person, Warehouse, database, eventually};

/// A warehouse whose database is reached through a network of the test's own, and the database's
/// address without it.
async fn open_through_proxy(change: impl FnOnce(&mut Config)) -> (Warehouse, Proxy, String) {
    let direct = database::migrated().await;
    let proxy = Proxy::start(&direct).await;
    let warehouse = Warehouse::open_on(proxy.url(&direct), |config| {
        // Short tests: a connection is dropped soon after the time limit of statements.
        config.database.statement_timeout_seconds = 1;
        change(config);
    })
    .await;
    (warehouse, proxy, direct)
}

/// Repeats a request after every 503, as clients do. Every response must arrive in time.
async fn until_answered(what: &str, request: impl Fn() -> reqwest::RequestBuilder) -> Answer {
    for _ in 0..600 {
        let asked = request().timeout(Duration::from_secs(60)).send().await;
        let response = asked.unwrap_or_else(|error| panic!("{what} is answered: {error:?}"));
        let status = response.status().as_u16();
        if status != 503 {
            let headers = response.headers().clone();
            let text = response.text().await.expect("text");
            return Answer { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text };
        }
        assert!(response.headers().contains_key("retry-after"), "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} works again");
}

async fn scan_through(packer: &Person, moment: Moment, proxy: &Proxy, direct: &str) {
    let what = format!("silent at {moment:?}");
    let id = scan_id();
    let scan = json!({"qr_code": "CB-1", "parent_qr_code": "SB00001", "id": id});
    proxy.go_silent_at(moment);
    let answer = until_answered(&what, || packer.request(Method::POST, "/scans").json(&scan)).await;
    assert!(matches!(answer.status, 200 | 201), "{what}: {}", answer.text);
    assert_eq!(answer.outcome(), "linked", "{what}");
    // The moment may come with a later request.
    eventually(&what, async || proxy.has_gone_silent()).await;
    for child in ["CB-2", "CB-3"] {
        let scan = json!({"qr_code": child, "parent_qr_code": "SB00001", "id": scan_id()});
        let answer = until_answered(&what, || packer.request(Method::POST, "/scans").json(&scan)).await;
        assert!(matches!(answer.status, 200 | 201), "{what}: {}", answer.text);
    }
    let written = format!("SELECT count(*) AS n FROM scans WHERE id = '{id}'");
    assert_eq!(database::number(direct, &written).await, 1, "{what}: neither lost nor doubled");
    assert_eq!(database::number(direct, "SELECT count(*) AS n FROM scans WHERE kind = 'child'").await, 3, "{what}");
    let bag = until_answered(&what, || packer.request(Method::GET, "/bags/SB00001")).await.expect(200);
    assert_eq!(bag.body["child_count"], 3, "{what}");
    database::assert_counts_equal_rows(direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn at_whatever_step_of_a_scan_the_connections_go_silent_it_is_written_once() {
    let steps = (0..8).map(Moment::ClientChunk).chain((0..8).map(Moment::ServerChunk));
    let texts = ["BEGIN", "COMMIT", "INSERT INTO scans"];
    let moments: Vec<Moment> = steps.chain(texts.map(Moment::Before)).chain(texts.map(Moment::After)).collect();
    for moments in moments.chunks(6) {
        join_all(moments.iter().map(async |moment| {
            let (warehouse, proxy, direct) = open_through_proxy(|_| {}).await;
            let packer = warehouse.packer("Lucknow").await;
            packer.scans("SB00001").await.expect(201);
            scan_through(&packer, *moment, &proxy, &direct).await;
            warehouse.close().await;
        }))
        .await;
    }
}

/// With the default time limits the request still succeeds, before the station gives up.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn by_default_a_scan_on_a_silent_connection_succeeds_without_being_sent_again() {
    let moments = [Moment::ClientChunk(2), Moment::ServerChunk(1), Moment::Before("COMMIT"), Moment::After("COMMIT")];
    join_all(moments.map(async |moment| {
        let (warehouse, proxy, direct) = open_through_proxy(|config| config.database.statement_timeout_seconds = 15).await;
        let packer = warehouse.packer("Lucknow").await;
        packer.packs("SB00001", ["CB-0".into()]).await;
        proxy.go_silent_at(moment);
        for n in 1..=4 {
            packer.scans_into("SB00001", &format!("CB-{n}")).await.expect(201);
        }
        assert!(proxy.has_gone_silent(), "{moment:?}");
        database::assert_counts_equal_rows(&direct).await;
    }))
    .await;
}

/// Scans of many stations at once, with silence several times.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_every_scan_is_acknowledged_and_there_once() {
    let (warehouse, proxy, direct) = open_through_proxy(|_| {}).await;
    let packer = warehouse.packer("Lucknow").await;
    let stations = 6;
    for station in 0..stations {
        packer.scans(&format!("SB{station:05}")).await.expect(201);
    }
    let load = join_all((0..stations).map(|station| {
        let packer = &packer;
        async move {
            for n in 0..30 {
                let scan = json!({"qr_code": format!("C{station}-{n:02}"), "parent_qr_code": format!("SB{station:05}"), "id": scan_id()});
                let answer = until_answered("a scan", || packer.request(Method::POST, "/scans").json(&scan)).await;
                assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
            }
        }
    }));
    let silences = async {
        for part in [30, 80, 130] {
            let written = "SELECT count(*) AS n FROM scans WHERE kind = 'child'";
            eventually("scans are written", async || database::number(&direct, written).await >= part).await;
            proxy.go_silent();
        }
    };
    tokio::join!(load, silences);
    assert_eq!(database::number(&direct, "SELECT count(*) AS n FROM scans WHERE kind = 'child'").await, stations * 30);
    assert_eq!(database::number(&direct, "SELECT count(*) AS n FROM bag_links").await, stations * 30);
    database::assert_counts_equal_rows(&direct).await;
}

/// Other uses of the database: reads, writes, sign-in, exports, jobs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_works_again_after_the_connections_of_the_pool_went_silent() {
    let (warehouse, proxy, _direct) = open_through_proxy(|config| config.database.database_pool_size = 4).await;
    let admin = warehouse.admin().await;
    admin.packs("SB00001", (0..5).map(|n| format!("CB-{n}"))).await;
    let reads = ["/bags", "/scans", "/users", "/audit-logs", "/bills", "/stats", "/exports/bags?format=ndjson", "/admin/system", "/api-keys"];
    for round in 0..2 {
        // All of the pool is open.
        join_all((0..8).map(|_| admin.get("/bags"))).await;
        proxy.go_silent();
        // One after the other in the first round, all at once in the second.
        let ask = |path: &'static str| {
            let admin = &admin;
            async move { until_answered(path, || admin.request(Method::GET, path)).await.expect(200) }
        };
        if round == 0 {
            for path in reads {
                ask(path).await;
            }
        } else {
            join_all(reads.map(ask)).await;
        }
        let bag = json!({"qr_code": format!("SB1000{round}")});
        let made = until_answered("a write", || admin.request(Method::POST, "/bags").json(&bag)).await;
        assert!(matches!(made.status, 201 | 409), "{}", made.text);
        warehouse.nobody().signed_in("admin", crate::support::warehouse::ADMIN_PASSWORD).await;
        let taken = imports::send(&admin, &[("kind", "bags")], "bags.csv", imports::CSV, format!("code\nCI-{round}\n").as_bytes()).await.expect(202);
        assert_eq!(imports::finished(&admin, &taken.body).await["status"], "succeeded");
    }
}

/// The silence begins in the middle of an export. The next export is complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_export_that_goes_silent_is_cut_off_and_the_next_one_is_whole() {
    let (warehouse, proxy, direct) = open_through_proxy(|_| {}).await;
    let admin = warehouse.admin().await;
    let bags = "INSERT INTO bags (qr_code, kind, format_id) \
                SELECT 'CB-' || n, 'child', (SELECT id FROM bag_formats WHERE name = 'Child') FROM generate_series(1, 60000) n";
    database::execute(&direct, bags).await;
    let mut export = admin.request(Method::GET, "/exports/bags?format=ndjson").send().await.expect("an answer");
    assert_eq!(export.status(), 200);
    export.chunk().await.expect("a chunk").expect("the first rows");
    proxy.go_silent();
    let rest = async { while let Ok(Some(_)) = export.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(120), rest).await.expect("it ends");
    let whole = until_answered("an export", || admin.request(Method::GET, "/exports/bags?format=ndjson")).await.expect(200);
    assert_eq!(whole.text.lines().count(), 60_000);
}

/// A long statement of an import is not mistaken for silence; silence during it is detected.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn long_work_finishes_and_silent_work_is_repeated() {
    for goes_silent in [false, true] {
        let (warehouse, proxy, direct) = open_through_proxy(|_| {}).await;
        let admin = warehouse.admin().await;
        // A lock that the import waits for, longer than the time limit of other statements.
        let held = tokio::spawn({
            let direct = direct.clone();
            async move { database::execute(&direct, "BEGIN; LOCK TABLE bags IN SHARE MODE; SELECT pg_sleep(25); COMMIT").await }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let file = b"code\nCB-1\nCB-2\n";
        let fields = [("kind", "bags"), ("mode", "all_or_nothing")];
        let taken = imports::send(&admin, &fields, "bags.csv", imports::CSV, file).await.expect(202);
        let waits = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("the import waits", async || database::number(&direct, waits).await > 0).await;
        if goes_silent {
            proxy.go_silent();
        }
        let path = format!("/imports/{}", taken.body["id"].as_str().expect("an id"));
        let import = async || until_answered("the import", || admin.request(Method::GET, &path)).await.expect(200).body;
        eventually("the import is done", async || !import().await["finished_at"].is_null()).await;
        let done = import().await;
        assert_eq!((done["status"].as_str(), done["progress"]["rows_accepted"].as_i64()), (Some("succeeded"), Some(2)), "{done}");
        let tries = "SELECT attempts::bigint AS n FROM jobs WHERE kind = 'import'";
        assert_eq!(database::number(&direct, tries).await > 1, goes_silent, "silent: {goes_silent}");
        held.await.expect("it was held");
        database::assert_counts_equal_rows(&direct).await;
    }
}

/// A frozen machine accepts connections and never responds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_new_connections_are_silent_too_requests_are_refused_and_nothing_hangs() {
    let (warehouse, proxy, direct) = open_through_proxy(|_| {}).await;
    let packer = warehouse.packer("Lucknow").await;
    packer.scans("SB00001").await.expect(201);
    proxy.silence_new(true);
    proxy.go_silent();
    let scan = json!({"qr_code": "CB-1", "parent_qr_code": "SB00001", "id": scan_id()});
    let requests = [("POST", "/scans"), ("GET", "/bags?status=open"), ("GET", "/scans")];
    join_all(requests.map(async |(method, path)| {
        let request = packer.request(method.parse().expect("a method"), path).timeout(Duration::from_secs(60));
        let answer = Answer::of(if method == "POST" { request.json(&scan) } else { request }).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        assert!(!answer.header("retry-after").is_empty());
    }))
    .await;
    eventually("it is not ready", async || warehouse.nobody().get_root("/health/ready").await.status == 503).await;
    warehouse.nobody().get_root("/health/live").await.expect(200);
    proxy.silence_new(false);
    let answer = until_answered("the scan", || packer.request(Method::POST, "/scans").json(&scan)).await;
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
    eventually("it is ready", async || warehouse.nobody().get_root("/health/ready").await.status == 200).await;
    assert_eq!(database::number(&direct, "SELECT count(*) AS n FROM scans WHERE kind = 'child'").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_start_on_a_silent_address_fails_instead_of_waiting() {
    let direct = database::migrated().await;
    let proxy = Proxy::start(&direct).await;
    proxy.silence_new(true);
    for skips_migrations in [false, true] {
        let mut config = Config::defaults();
        config.bind = "127.0.0.1:0".parse().expect("an address");
        config.skip_migrations = skips_migrations;
        config.database.data_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("data").join(uuid::Uuid::new_v4().to_string());
        config.database.database_url = Some(Secret::from(proxy.url(&direct)));
        let built = tokio::time::timeout(Duration::from_secs(120), Application::build(config)).await;
        assert!(built.expect("it does not hang").is_err());
    }
}

/// The first of several addresses is a frozen machine: the next one is tried.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_addresses_one_that_answers_is_taken() {
    let direct = database::migrated().await;
    let (frozen, works) = (Proxy::start(&direct).await, Proxy::start(&direct).await);
    frozen.silence_new(true);
    let host = |url: &str| url.split(['@', '/']).find(|part| part.starts_with("127.")).expect("a host").to_owned();
    let url = frozen.url(&direct).replace(&host(&frozen.url(&direct)), &format!("{},{}", host(&frozen.url(&direct)), host(&works.url(&direct))));
    let warehouse = Warehouse::open_on(url, |_| {}).await;
    let packer = warehouse.packer("Lucknow").await;
    packer.packs("SB00001", ["CB-1".into()]).await;
}

/// After a failover, connections lead to a server that is read-only now.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_to_a_server_that_was_demoted_are_not_used_again() {
    let replication = Replication::start(1).await;
    let direct = replication.database_url();
    let standby = replication.replica_urls()[0].expose().to_owned();
    let proxy = Proxy::start(&direct).await;
    let warehouse = Warehouse::open_on(proxy.url(&direct), |_| {}).await;
    let packer = warehouse.packer("Lucknow").await;
    packer.scans("SB00001").await.expect(201);
    proxy.lead_to(&standby);
    database::execute(&direct, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'traitortrack'").await;
    let refused = packer.scans_into("SB00001", "CB-1").await.problem(503, "unavailable");
    assert!(!refused.header("retry-after").is_empty());
    let admin = packer.clone();
    eventually("reads work", async || admin.get("/bags/SB00001").await.status == 200).await;
    // The open connections still lead to the read-only server.
    proxy.lead_to(&direct);
    let scan = json!({"qr_code": "CB-1", "parent_qr_code": "SB00001", "id": scan_id()});
    let answer = until_answered("the scan", || packer.request(Method::POST, "/scans").json(&scan)).await;
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
    let login = json!({"username": "admin", "password": crate::support::warehouse::ADMIN_PASSWORD});
    for _ in 0..6 {
        let signed_in = until_answered("a sign-in", || warehouse.nobody().request(Method::POST, "/auth/login").json(&login)).await;
        assert_eq!(signed_in.status, 200, "{}", signed_in.text);
    }
    drop(warehouse);
    drop(replication);
}

/// A graceful stop does not wait for silent connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_stops_although_its_connections_are_silent() {
    let direct = database::migrated().await;
    let proxy = Proxy::start(&direct).await;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("silent-{}", uuid::Uuid::new_v4().simple()));
    let settings = [("STATEMENT_TIMEOUT_SECONDS", "1"), ("SKIP_MIGRATIONS", "true"), ("SHUTDOWN_TIMEOUT_SECONDS", "2")];
    let mut server = ServerProcess::start_with(&folder, Some(&proxy.url(&direct)), &settings).await;
    let admin = server.nobody().signed_in("admin", crate::support::warehouse::ADMIN_PASSWORD).await;
    admin.scans("SB00001").await.expect(201);
    proxy.silence_new(true);
    proxy.go_silent();
    let waiting = tokio::spawn({
        let admin = admin.clone();
        async move { admin.request(Method::POST, "/scans").json(&json!({"qr_code": "CB-1", "parent_qr_code": "SB00001"})).send().await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.request_stop();
    assert!(server.ended().await.is_some_and(|status| status.success()), "{}", server.log());
    let _answered_or_cut_off = waiting.await;
}
