//! Reads on replicas: where they go, and that nobody misses what they wrote.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use traitortrack::config::Config;

use crate::support::replication::Replication;
use crate::support::{Answer, Person, Redis, WAIT_LIMIT, Warehouse, eventually};

const TOKEN: &str = "x-consistency-token";

/// Longer than any test takes: replicas that stand still are not left out for it.
const NEVER_TOO_FAR_BEHIND: u64 = 3_600;

async fn open(replication: &Replication, change: impl FnOnce(&mut Config)) -> Warehouse {
    let urls = replication.replica_urls();
    Warehouse::open_on(replication.database_url(), |config| {
        config.read_replica_urls = urls;
        config.replica_max_lag_seconds = NEVER_TOO_FAR_BEHIND;
        change(config);
    })
    .await
}

async fn replicas_are(admin: &Person, expected: &[bool]) {
    eventually(&format!("replicas are {expected:?}"), async || {
        let report = admin.get("/admin/system").await.expect(200).body;
        let replicas = report["replicas"].as_array().expect("replicas").clone();
        replicas.iter().map(|replica| replica["is_healthy"].as_bool()).eq(expected.iter().map(|is_healthy| Some(*is_healthy)))
    })
    .await;
}

/// A metric of a replica, 0 before it was first counted.
async fn metric(warehouse: &Warehouse, start: &str) -> f64 {
    let metrics = warehouse.nobody().get_root("/metrics").await.expect(200).text;
    metrics.lines().find_map(|line| line.strip_prefix(start)).map_or(0.0, |value| value.trim().parse().expect("a number"))
}

async fn reads_on(warehouse: &Warehouse, replica: &str) -> f64 {
    metric(warehouse, &format!("db_reads_total{{target=\"{replica}\"}}")).await
}

async fn children_seen_by(person: &Person, parent: &str, token: Option<&str>) -> Result<usize, Answer> {
    let request = person.request(Method::GET, &format!("/bags/{parent}/children?limit=200"));
    let answer = Answer::of(if let Some(token) = token { request.header(TOKEN, token) } else { request }).await;
    if answer.status == 200 { Ok(answer.rows().len()) } else { Err(answer) }
}

/// Packs a few more children, and after each looks at the parent: none may be missing. Returns the token of the last scan.
async fn pack_and_look(packer: &Person, parent: &str, from: usize, to: usize) -> String {
    let mut token = String::new();
    for n in from..to {
        let answer = packer.scans_into(parent, &format!("C{parent}-{n:02}")).await.expect(201);
        token = answer.header(TOKEN).to_owned();
        assert!(token.contains('/'), "{token:?}");
        let seen = children_seen_by(packer, parent, None).await.expect("a page");
        assert_eq!(seen, n + 1, "{parent} after its own write");
    }
    token
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everyone_reads_their_own_writes_under_load_while_replay_stands_still() {
    let replication = Replication::start(2).await;
    let warehouse = open(&replication, |_| {}).await;
    let admin = warehouse.admin().await;
    replicas_are(&admin, &[true, true]).await;
    let parents: Vec<String> = (0..6).map(|n| format!("SB{n:05}")).collect();
    let mut packers = Vec::new();
    for parent in &parents {
        let packer = warehouse.packer("Lucknow").await;
        packer.scans(parent).await.expect(201);
        packers.push(packer);
    }
    let packers = &packers;
    let phase = async |from, to| join_all(packers.iter().zip(&parents).map(|(packer, parent)| pack_and_look(packer, parent, from, to))).await;
    let viewer = warehouse.biller().await;
    let names = [replication.name(0), replication.name(1)];
    let both = async || [reads_on(&warehouse, &names[0]).await, reads_on(&warehouse, &names[1]).await];

    // Both replay: both get their share, also of those who have just written.
    phase(0, 4).await;
    eventually("each replica answers reads", async || {
        children_seen_by(&viewer, "SB00000", None).await.expect("a page");
        let [one, other] = both().await;
        one >= 3.0 && other >= 3.0
    })
    .await;
    for replica in 0..2 {
        let connected = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'traitortrack' AND query LIKE '%bag_links%'";
        assert!(replication.number_on(replica, connected).await > 0, "the replica itself has run these reads");
    }

    // One stands still: those who wrote are served by the other, or by the primary.
    replication.pause(0).await;
    phase(4, 8).await;
    let before = both().await;
    eventually("the other replica goes on answering those who wrote", async || {
        pack_and_look_again(packers, &parents).await;
        both().await[1] > before[1]
    })
    .await;

    // Both stand still: those who wrote are served by the primary alone, and others may still be shown what was.
    replication.pause(1).await;
    let seen_before = children_seen_by(&viewer, "SB00000", None).await.expect("a page");
    let before = both().await;
    let tokens = phase(8, 12).await;
    assert_eq!(both().await, before, "no replica had what they wrote");
    let seen = children_seen_by(&viewer, "SB00000", None).await.expect("a page");
    assert!(seen <= seen_before && seen < 12, "{seen}: replicas answer those who wrote nothing with what they have");
    let [one, other] = both().await;
    assert!(one + other > before[0] + before[1], "the viewer was answered by a replica");
    assert_eq!(children_seen_by(&viewer, "SB00000", Some(&tokens[0])).await.expect("a page"), 12, "with the token of the packer's write");

    for replica in 0..2 {
        replication.resume(replica).await;
    }
    eventually("replicas catch up and answer with everything", async || {
        let before = both().await;
        let all = children_seen_by(&viewer, "SB00000", None).await.expect("a page") == 12;
        all && both().await != before
    })
    .await;
    phase(12, 16).await;
    warehouse.assert_counts_equal_rows().await;
}

/// Reads without a further write.
async fn pack_and_look_again(packers: &[Person], parents: &[String]) {
    join_all(packers.iter().zip(parents).map(async |(packer, parent)| {
        assert_eq!(children_seen_by(packer, parent, None).await.expect("a page"), 8);
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_of_every_kind_are_read_again_at_once() {
    let replication = Replication::start(1).await;
    let warehouse = open(&replication, |_| {}).await;
    let admin = warehouse.admin().await;
    replicas_are(&admin, &[true]).await;
    replication.pause(0).await;
    let biller = warehouse.biller().await;
    admin.packs("SB00001", ["CB-1".into()]).await;
    let bill = serde_json::json!({"bill_number": "BILL-000001", "destination": "Jaipur", "vehicle_number": "RJ14", "expected_parent_bags": 2});
    let made = biller.post("/bills", bill).await.expect(201);
    assert!(!made.header(TOKEN).is_empty());
    biller.post("/bills/BILL-000001/bags", serde_json::json!({"qr_codes": ["SB00001"]})).await.expect(200);
    assert_eq!(biller.get("/bills/BILL-000001/bags").await.expect(200).rows().len(), 1);
    // A refused scan is an event, and an export leaves an entry in the audit log.
    let refused = biller.scans_into("SB99999", "CB-2").await.problem(409, "unknown_parent");
    assert!(!refused.header(TOKEN).is_empty());
    assert_eq!(biller.get("/scans?outcome=unknown_parent").await.expect(200).rows().len(), 1);
    let export = admin.get("/exports/users?format=csv").await.expect(200);
    assert!(!export.header(TOKEN).is_empty());
    assert_eq!(admin.get("/audit-logs?action=export").await.expect(200).rows().len(), 1);
    // One that only read has nothing to carry.
    assert_eq!(biller.get("/bills").await.expect(200).header(TOKEN), "");
    replication.resume(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_dies_or_lags_is_left_out_and_comes_back_by_itself() {
    let mut replication = Replication::start(2).await;
    let warehouse = open(&replication, |config| config.replica_max_lag_seconds = 1).await;
    let admin = warehouse.admin().await;
    let viewer = warehouse.biller().await;
    replicas_are(&admin, &[true, true]).await;
    admin.packs("SB00001", ["CB-1".into()]).await;
    let health = async || {
        let request = admin.client.get(format!("{}/api/health/detailed", warehouse.base_url)).bearer_auth(admin.token.clone().expect("signed in"));
        let body = Answer::of(request).await.expect(200).body;
        (body["status"].clone(), body["checks"]["replicas"].clone())
    };
    let (status, replicas) = health().await;
    assert_eq!((status.as_str(), replicas["status"].as_str()), (Some("healthy"), Some("healthy")));
    assert_eq!((&replicas["configured"], &replicas["healthy"]), (&Value::from(2), &Value::from(2)));
    let strangers = warehouse.nobody().get_root("/api/health/detailed").await.expect(200).body;
    assert_eq!(strangers["checks"]["replicas"], serde_json::json!({"status": "healthy"}));

    // Killed while it is being read from. What was under way on it may have to be asked again, nothing else.
    let names = [replication.name(0), replication.name(1)];
    let load = async {
        let mut answers = Vec::new();
        for _ in 0..60 {
            let page = join_all((0..4).map(|_| children_seen_by(&viewer, "SB00001", None))).await;
            answers.extend(page.into_iter().map(|seen| seen.map_err(|answer| answer.status)));
        }
        answers
    };
    let (answers, ()) = tokio::join!(load, async { tokio::task::block_in_place(|| replication.kill(0)) });
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    assert!(answers.iter().all(|answer| matches!(answer, Ok(1) | Err(503))), "{answers:?}");
    assert!(failed <= 8, "{failed} of {} failed: more than were under way", answers.len());
    replicas_are(&admin, &[false, true]).await;
    let (status, replicas) = health().await;
    assert_eq!((status.as_str(), &replicas["healthy"]), (Some("degraded"), &Value::from(1)));
    assert_eq!(metric(&warehouse, &format!("db_replica_healthy{{replica=\"{}\"}}", names[0])).await, 0.0);
    let before = reads_on(&warehouse, &names[0]).await;
    for _ in 0..20 {
        assert_eq!(children_seen_by(&viewer, "SB00001", None).await.expect("a page"), 1);
    }
    assert_eq!(reads_on(&warehouse, &names[0]).await, before);

    replication.start_again(0).await;
    replicas_are(&admin, &[true, true]).await;
    eventually("it gets reads again", async || {
        assert_eq!(children_seen_by(&viewer, "SB00001", None).await.expect("a page"), 1);
        reads_on(&warehouse, &names[0]).await > before
    })
    .await;

    // Behind: not even those who may read what is old are sent there.
    replication.pause(1).await;
    admin.packs("SB00002", ["CB-2".into()]).await;
    replicas_are(&admin, &[true, false]).await;
    let report = admin.get("/admin/system").await.expect(200).body;
    let lagging = &report["replicas"][1];
    assert_eq!(lagging["name"], names[1].as_str());
    assert!(lagging["lag_seconds"].as_f64().is_some_and(|seconds| seconds > 1.0), "{lagging}");
    assert!(lagging["lag_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{lagging}");
    assert!(metric(&warehouse, &format!("db_replica_lag_seconds{{replica=\"{}\"}}", names[1])).await > 1.0);
    assert!(metric(&warehouse, &format!("db_replica_lag_bytes{{replica=\"{}\"}}", names[1])).await > 0.0);
    replication.resume(1).await;
    replicas_are(&admin, &[true, true]).await;
    assert_eq!(health().await.0, "healthy");
}

/// A session's position holds in every process, and Redis being away or coming back empty loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_written_in_one_process_is_read_in_another() {
    let mut redis = Redis::start();
    let replication = Replication::start(1).await;
    let one = open(&replication, |config| config.redis_url = redis.url()).await;
    let other = open(&replication, |config| config.redis_url = redis.url()).await;
    let name = replication.name(0);
    let admin = one.admin().await;
    replicas_are(&admin, &[true]).await;
    let packer = one.packer("Lucknow").await;
    let there = Person { base_url: other.base_url.clone(), ..packer.clone() };
    let viewer = Person { base_url: other.base_url.clone(), ..one.biller().await };
    packer.scans("SB00001").await.expect(201);
    // Both processes count in the same place: only their replica is asked for here.
    let is_read_from_replica = async || {
        let before = reads_on(&other, &name).await;
        children_seen_by(&viewer, "SB00001", None).await.expect("a page");
        reads_on(&other, &name).await > before
    };
    eventually("the other process reads from the replica", &is_read_from_replica).await;

    let mut packed = 0;
    let mut pack = async || {
        packer.scans_into("SB00001", &format!("CB-{packed:02}")).await.expect(201);
        packed += 1;
        assert_eq!(children_seen_by(&there, "SB00001", None).await.expect("a page"), packed, "read in the other process");
        packed
    };
    replication.pause(0).await;
    let seen = children_seen_by(&viewer, "SB00001", None).await.expect("a page");
    for _ in 0..3 {
        pack().await;
    }
    assert_eq!(children_seen_by(&viewer, "SB00001", None).await.expect("a page"), seen, "the replica stands still");

    redis.stop();
    for _ in 0..3 {
        pack().await;
    }
    assert!(!is_read_from_replica().await, "nobody knows what the viewer wrote elsewhere");
    // Empty: nobody remembers, so everybody's reads must reach what there was by then.
    redis.start_again();
    let packed = pack().await;
    for _ in 0..30 {
        assert_eq!(children_seen_by(&there, "SB00001", None).await.expect("a page"), packed);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    replication.resume(0).await;
    eventually("the replica is read from again", is_read_from_replica).await;
    assert_eq!(children_seen_by(&there, "SB00001", None).await.expect("a page"), packed);
}

/// Whoever is told of a change asks for it next: a replica that has not got it must not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_an_event_tells_is_there_to_be_read() {
    let replication = Replication::start(1).await;
    let warehouse = open(&replication, |_| {}).await;
    let (admin, packer) = (warehouse.admin().await, warehouse.packer("Lucknow").await);
    replicas_are(&admin, &[true]).await;
    let viewer = warehouse.biller().await;
    packer.scans("SB00001").await.expect(201);
    let mut events = viewer.request(Method::GET, "/events").send().await.expect("a stream");
    replication.pause(0).await;
    let mut text = String::new();
    while !text.contains(": listening\n\n") {
        let chunk = events.chunk().await.expect("a chunk").expect("no end");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    for n in 0..3 {
        packer.scans_into("SB00001", &format!("CB-{n:02}")).await.expect(201);
        let is_told = format!("CB-{n:02}");
        let listen = async {
            while !text.contains(&is_told) {
                let chunk = events.chunk().await.expect("a chunk").expect("no end");
                text.push_str(&String::from_utf8_lossy(&chunk));
            }
        };
        tokio::time::timeout(WAIT_LIMIT, listen).await.expect("the event arrives");
        assert!(children_seen_by(&viewer, "SB00001", None).await.expect("a page") > n, "told of {is_told}");
    }
    drop(events);
    replication.resume(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_token_is_refused_with_or_without_replicas() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let scan = packer.scans("SB00001").await.expect(201);
    assert_eq!(scan.header(TOKEN), "", "without replicas there is nothing to carry");
    let read = async |path: &str, token: &str| Answer::of(packer.request(Method::GET, path).header(TOKEN, token)).await;
    for path in ["/bags", "/bags/SB00001", "/stats", "/scans"] {
        for malformed in ["", "now", "16", "16/", "16/B374D848/0", "-1/2", "123456789/0"] {
            read(path, malformed).await.problem(400, "invalid_consistency_token");
        }
        read(path, "16/B374D848").await.expect(200);
        read(path, "ffffffff/ffffffff").await.expect(200);
    }
}
