//! Nothing acknowledged is ever lost, nothing happens twice, nothing is left half-done.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use crate::support::person::scan_id;
use crate::support::process::ServerProcess;
use crate::support::warehouse::ADMIN_PASSWORD;
use crate::support::{Warehouse, database, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_in_the_middle_of_a_load_every_acknowledged_scan_is_there_once() {
    // Its own PostgreSQL, durable, so that the kill takes the whole system down as a power cut takes a process.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("killed-{}", Uuid::new_v4().simple()));
    let mut server = ServerProcess::start(&folder, None).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    let stations = 8;
    for station in 0..stations {
        admin.scans(&format!("SB{station:05}")).await.expect(201);
    }
    let acknowledged = Mutex::new(Vec::new());
    let unanswered = Mutex::new(Vec::new());
    let load = join_all((0..stations).map(|station| {
        let (admin, acknowledged, unanswered) = (&admin, &acknowledged, &unanswered);
        async move {
            for n in 0..30 {
                let scan = json!({"qr_code": format!("C{station}-{n:02}"), "parent_qr_code": format!("SB{station:05}"), "id": scan_id()});
                match admin.request(reqwest::Method::POST, "/scans").json(&scan).send().await {
                    Ok(response) if response.status() == 201 => acknowledged.lock().expect("held shortly").push(scan),
                    Ok(_) | Err(_) => unanswered.lock().expect("held shortly").push(scan),
                }
            }
        }
    }));
    let kill = async {
        while acknowledged.lock().expect("held shortly").len() < 60 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::task::block_in_place(|| server.kill());
    };
    tokio::join!(load, kill);
    let (acknowledged, unanswered) = (acknowledged.into_inner().expect("done"), unanswered.into_inner().expect("done"));
    assert!(!unanswered.is_empty(), "the kill came in the middle");

    let server = ServerProcess::start(&folder, None).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    for scan in &acknowledged {
        let found = admin.get(&format!("/scans/{}", scan["id"].as_str().expect("an id"))).await.expect(200);
        assert_eq!((found.body["outcome"].as_str(), &found.body["qr_code"]), (Some("linked"), &scan["qr_code"]));
        admin.post("/scans", scan.clone()).await.expect(200);
    }
    // The stations send again what they had no answer for, as the offline queue does.
    for scan in &unanswered {
        let answer = admin.post("/scans", scan.clone()).await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    }
    for station in 0..stations {
        let parent = admin.get(&format!("/bags/SB{station:05}")).await.expect(200).body;
        assert_eq!((parent["child_count"].as_i64(), parent["status"].as_str()), (Some(30), Some("completed")));
        let page = admin.get(&format!("/bags/SB{station:05}/children")).await.expect(200);
        let children: HashSet<&str> = page.rows().iter().map(|child| child["qr_code"].as_str().expect("a code")).collect();
        assert_eq!(children.len(), 30);
    }
    let stats = admin.get("/stats").await.expect(200).body;
    assert_eq!(stats["scans"]["total"], stations + stations * 30, "each scan is one event, whatever was sent twice");
    assert_eq!(stats["bags"]["children"], stations * 30);
    drop(server);
    remove_folder(&folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_dropped_half_way_leave_no_transaction_open_and_no_connection_poisoned() {
    let warehouse = Warehouse::open_with(|config| config.database.database_pool_size = 3).await;
    let admin = warehouse.admin().await;
    admin.packs("SB00001", (0..20).map(|n| format!("CB-{n}"))).await;
    admin.scans("SB00002").await.expect(201);
    // Whatever holds a transaction open longest: moves and undos, cut off by their clients at every stage.
    for wave in 0..10_u64 {
        let dropped = (wave * 30..wave * 30 + 30).map(|n| {
            let admin = &admin;
            async move {
                let child = n % 20;
                let request = match n % 4 {
                    0 => admin.request(reqwest::Method::PUT, &format!("/bags/CB-{child}/parent")).json(&json!({"parent_qr_code": "SB00002"})),
                    1 => admin.request(reqwest::Method::PUT, &format!("/bags/CB-{child}/parent")).json(&json!({"parent_qr_code": "SB00001"})),
                    2 => admin.request(reqwest::Method::POST, "/scans/undo-last"),
                    _ => admin.request(reqwest::Method::POST, "/bags/SB00001/complete"),
                };
                let _cut_off = tokio::time::timeout(Duration::from_micros(200 + n * 100), request.send()).await;
            }
        });
        join_all(dropped).await;
    }
    let idle = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    eventually("no transaction is open", async || database::number(&warehouse.database_url, idle).await == 0).await;
    // Every connection of the pool still serves, and sees its own clean state.
    let answers = join_all((0..12).map(|_| admin.get("/bags/SB00001"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let changed = admin.put("/bags/CB-1/parent", json!({"parent_qr_code": null})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_scan_whose_sender_has_gone_is_written_all_the_same() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.scans("SB00001").await.expect(201);
    for n in 0..20 {
        let scan = json!({"qr_code": format!("CB-{n}"), "parent_qr_code": "SB00001", "id": scan_id()});
        let request = packer.request(reqwest::Method::POST, "/scans").json(&scan).send();
        let _cut_off = tokio::time::timeout(Duration::from_micros(n * 150), request).await;
        let retried = packer.post("/scans", scan).await;
        assert!(matches!(retried.status, 200 | 201), "{retried:?}");
    }
    assert_eq!(packer.get("/bags/SB00001").await.expect(200).body["child_count"], 20);
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_graceful_stop_writes_every_scan_that_was_taken() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    for parent in 0..8 {
        packer.scans(&format!("SB{parent:05}")).await.expect(201);
    }
    let database_url = warehouse.database_url.clone();
    let scans = tokio::spawn(async move {
        let sent = (0..200).map(|n| {
            let packer = packer.clone();
            async move {
                let scan = json!({"qr_code": format!("C-{n:03}"), "parent_qr_code": format!("SB{:05}", n % 8)});
                packer.request(reqwest::Method::POST, "/scans").json(&scan).send().await.is_ok_and(|response| response.status() == 201)
            }
        });
        join_all(sent).await.into_iter().filter(|is_acknowledged| *is_acknowledged).count()
    });
    let written = "SELECT count(*) AS n FROM scans WHERE kind = 'child'";
    eventually("some scans are written", async || database::number(&database_url, written).await > 0).await;
    warehouse.close().await;
    let acknowledged = scans.await.expect("no panic");
    let written = database::number(&database_url, written).await;
    assert!(acknowledged > 0);
    assert!(written >= i64::try_from(acknowledged).expect("few"), "{acknowledged} acknowledged, {written} written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_scan_writer_survives_the_loss_of_its_connections() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    packer.scans("SB00001").await.expect(201);
    for n in 0..10 {
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        database::execute(&warehouse.database_url, terminate).await;
        packer.scans_into("SB00001", &format!("CB-{n}")).await.expect(201);
    }
    let mut answer = packer.get("/bags/SB00001").await;
    if answer.status == 503 {
        answer = packer.get("/bags/SB00001").await;
    }
    assert_eq!(answer.expect(200).body["child_count"], 10);
    warehouse.assert_counts_equal_rows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_data_folder_is_refused() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("twice-{}", Uuid::new_v4().simple()));
    let server = ServerProcess::start(&folder, None).await;
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_api"))
        .arg("serve")
        .env("DATA_DIR", &folder)
        .env("BIND", "127.0.0.1:0")
        .output()
        .await
        .expect("the binary runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("in use by another TraitorTrack"), "{output:?}");
    drop(server);
    remove_folder(&folder).await;
}

/// PostgreSQL, whose parent was killed, may still be on its way out and write its last.
async fn remove_folder(folder: &std::path::Path) {
    eventually("the folder is removed", async || std::fs::remove_dir_all(folder).is_ok()).await;
}
