//! Several processes behind a load balancer are one system, also while they are restarted.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cluster::Cluster;
use crate::support::person::scan_id;
use crate::support::warehouse::{ADMIN_PASSWORD, PASSWORD};
use crate::support::{Person, Warehouse, database, eventually};

async fn packer(cluster: &Cluster, admin: &Person, username: &str) -> Person {
    let body = json!({"username": username, "password": PASSWORD, "role": "dispatcher", "dispatch_area": "Lucknow"});
    admin.post("/users", body).await.expect(201);
    cluster.nobody().signed_in(username, PASSWORD).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_processes_behind_a_balancer_behave_as_one() {
    let cluster = Cluster::start().await;
    let admin = cluster.admin().await;

    // Signed in through one, known in all.
    let asha = packer(&cluster, &admin, "asha").await;
    for process in 0..3 {
        assert_eq!(cluster.at(process, &asha).get("/me").await.expect(200).body["username"], "asha");
    }

    // Written in one, read in the next, with replicas in between.
    asha.scans("SB00001").await.expect(201);
    for n in 0..30 {
        cluster.at(n, &asha).scans_into("SB00001", &format!("CB-{n:02}")).await.expect(201);
        let page = cluster.at(n + 1, &asha).get("/bags/SB00001/children?limit=200").await.expect(200);
        assert_eq!(page.rows().len(), n + 1);
    }
    let mut answered_by_replicas = 0.0;
    eventually("replicas answer reads", async || {
        for process in 0..3 {
            cluster.at(process, &admin).get("/bags").await.expect(200);
            let metrics = cluster.at(process, &admin).get_root("/metrics").await.expect(200).text;
            let counts = metrics.lines().filter(|line| line.starts_with("db_reads_total") && line.contains("replica-"));
            answered_by_replicas =
                counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).fold(answered_by_replicas, |sum, n| sum + n);
        }
        answered_by_replicas > 0.0
    })
    .await;

    // One budget, wherever it is spent.
    let key = json!({"name": "ERP", "scopes": ["bags:read"], "requests_per_minute": 6});
    let key = admin.post("/api-keys", key).await.expect(201).body["key"].as_str().expect("a key").to_owned();
    let erp = Person { token: Some(key), cookie: None, ..asha.clone() };
    let mut statuses = Vec::new();
    for n in 0..12 {
        statuses.push(cluster.at(n, &erp).get("/bags").await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 6, "{statuses:?}");

    // The same scans twice at once, through the balancer: nothing lost, nothing twice.
    let scans: Vec<Value> =
        (0..60).map(|n| json!({"qr_code": format!("D-{n:02}"), "parent_qr_code": format!("SB0001{}", n % 3), "id": scan_id()})).collect();
    for n in 0..3 {
        asha.scans(&format!("SB0001{n}")).await.expect(201);
    }
    let twice = join_all(scans.iter().map(|scan| join(asha.post("/scans", scan.clone()), asha.post("/scans", scan.clone())))).await;
    for (one, other) in twice {
        // Where both came to be written in the same instant, each may be told that it was the first.
        assert!(matches!((one.status, other.status), (201, 200 | 201) | (200, 201)), "{} {}", one.text, other.text);
        // The parent is shown as it is by then.
        assert_eq!((&one.body["id"], one.outcome()), (&other.body["id"], other.outcome()));
    }
    assert_eq!(database::number(&cluster.database_url, "SELECT count(*) AS n FROM scans WHERE qr_code LIKE 'D-%'").await, 60);
    database::assert_counts_equal_rows(&cluster.database_url).await;

    // Signed out in one, ended in all.
    cluster.at(0, &asha).act("/auth/logout").await.expect(204);
    for process in 0..3 {
        let refused = format!("process {process} refuses the token");
        eventually(&refused, async || cluster.at(process, &asha).get("/me").await.status == 401).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rolling_restart_under_load_loses_no_request() {
    let cluster = Cluster::start().await;
    let admin = cluster.admin().await;
    let before = cluster.process_ids();
    let is_over = AtomicBool::new(false);
    let sent = Mutex::new(Vec::new());
    let mut people = Vec::new();
    for n in 0..6 {
        people.push(packer(&cluster, &admin, &format!("packer-{n}")).await);
    }
    // Plain clients that try nothing again: whatever is not answered well is a failure.
    let packing = join_all(people.iter().enumerate().map(async |(station, packer)| {
        let (mut n, mut failures) = (0, Vec::new());
        while !is_over.load(Ordering::Relaxed) {
            let parent = format!("SB{station}{:04}", n / 30);
            if n % 30 == 0 {
                check(packer.request(Method::POST, "/scans").json(&json!({"qr_code": parent})), 201, &mut failures).await;
            }
            let (id, code) = (scan_id(), format!("C{station}-{n:05}"));
            let scan = json!({"qr_code": code, "parent_qr_code": parent, "id": id});
            check(packer.request(Method::POST, "/scans").json(&scan), 201, &mut failures).await;
            check(packer.request(Method::GET, &format!("/bags/{parent}/children?limit=200")), 200, &mut failures).await;
            sent.lock().expect("held shortly").push(id);
            n += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        failures
    }));
    let looking = async {
        let mut failures = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            for path in ["/bags?limit=5", "/scans?limit=5", "/stats", "/me"] {
                check(admin.request(Method::GET, path), 200, &mut failures).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        failures
    };
    let restarting = async {
        cluster.rolling_restart().await;
        is_over.store(true, Ordering::Relaxed);
    };
    let (packed, looked, ()) = tokio::join!(packing, looking, restarting);
    let failures: Vec<String> = packed.into_iter().flatten().chain(looked).collect();
    let sent = sent.into_inner().expect("done");
    assert!(failures.is_empty(), "{} failed besides {} scans: {failures:?}", failures.len(), sent.len());
    let after = cluster.process_ids();
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "all three are new: {before:?} {after:?}");

    assert!(sent.len() > 50, "{} scans while three processes were restarted", sent.len());
    let ids = sent.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(",");
    let linked = format!("SELECT count(*) AS n FROM scans WHERE outcome = 'linked' AND id IN ({ids})");
    assert_eq!(database::number(&cluster.database_url, &linked).await, i64::try_from(sent.len()).expect("few"));
    let others = "SELECT count(*) AS n FROM scans WHERE kind = 'child'";
    assert_eq!(database::number(&cluster.database_url, others).await, i64::try_from(sent.len()).expect("few"), "each once");
    database::assert_counts_equal_rows(&cluster.database_url).await;
}

async fn check(request: reqwest::RequestBuilder, expected: u16, failures: &mut Vec<String>) {
    let outcome = async {
        let response = request.send().await?;
        let status = response.status().as_u16();
        // Read whole: an answer that breaks off is none.
        Ok::<_, reqwest::Error>((status, response.text().await?))
    };
    match outcome.await {
        Ok((status, _)) if status == expected => {}
        Ok((status, text)) => failures.push(format!("{status} {text}")),
        Err(error) => failures.push(format!("{error:?}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_told_to_stop_serves_on_until_balancers_have_noticed() {
    let warehouse = Warehouse::open_with(|config| config.drain_seconds = 30).await;
    let nobody = warehouse.nobody();
    let admin = warehouse.admin().await;
    assert_ne!(admin.get("/me").await.expect(200).header("connection"), "close");
    let serving = async {
        let mut ready = nobody.get_root("/health/ready").await;
        while ready.status == 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            ready = nobody.get_root("/health/ready").await;
        }
        assert_eq!((ready.status, ready.header("connection")), (503, "close"));
        nobody.get_root("/health/live").await.expect(200);
        // Over a new connection each time.
        for n in 0..5 {
            let answer = admin.scans(&format!("SB{n:05}")).await.expect(201);
            assert_eq!(answer.header("connection"), "close");
        }
        nobody.clone().signed_in("admin", ADMIN_PASSWORD).await;
    };
    let url = warehouse.database_url.clone();
    let base_url = warehouse.base_url.clone();
    tokio::join!(serving, warehouse.close());
    assert!(reqwest::get(format!("{base_url}/health/live")).await.is_err(), "then it is gone");
    assert_eq!(database::number(&url, "SELECT count(*) AS n FROM scans").await, 5);
}
