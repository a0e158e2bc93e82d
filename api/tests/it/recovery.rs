//! The embedded PostgreSQL ends for any reason, and the service recovers by itself.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::person::scan_id;
use crate::support::process::{ServerProcess, is_stopped, postgres_processes, postmaster, send_signal};
use crate::support::small_disk::SmallDisk;
use crate::support::warehouse::ADMIN_PASSWORD;
use crate::support::{Person, database, eventually};

fn new_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", Uuid::new_v4().simple()))
}

/// The database of a server that runs its own PostgreSQL.
fn url_of(data_dir: &Path) -> String {
    let socket: String = data_dir
        .join("socket")
        .display()
        .to_string()
        .chars()
        .map(|c| if c.is_alphanumeric() { c.to_string() } else { format!("%{:02X}", c as u32) })
        .collect();
    format!("postgres://traitortrack@{socket}/traitortrack")
}

/// Sends a scan until it is acknowledged, as a station does: with the same id after every 503.
async fn scan_until_acknowledged(person: &Person, scan: &Value) -> u16 {
    for _ in 0..1_200 {
        match person.request(reqwest::Method::POST, "/scans").json(scan).timeout(Duration::from_secs(40)).send().await {
            Ok(response) if response.status() == 503 => {
                assert!(response.headers().contains_key("retry-after"), "{:?}", response.headers());
            }
            Ok(response) => return response.status().as_u16(),
            Err(error) => panic!("the process answers every request: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("within two minutes {scan} is acknowledged");
}

async fn restarts(server: &ServerProcess) -> u64 {
    let metrics = server.nobody().get_root("/metrics").await.expect(200).text;
    let line = metrics.lines().find_map(|line| line.strip_prefix("restarts_total{name=\"postgres\"} "));
    line.unwrap_or_else(|| panic!("no count of restarts in\n{metrics}")).parse().expect("a number")
}

/// PostgreSQL, whose parent was killed, may still be on its way out and write its last.
async fn remove_folder(folder: &Path) {
    eventually("the folder can be removed", async || std::fs::remove_dir_all(folder).is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgresql_killed_in_the_middle_of_a_load_is_started_again_and_every_scan_is_there_once() {
    let folder = new_folder("restarted");
    let mut server = ServerProcess::start(&folder, None).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    let stations = 6;
    for station in 0..stations {
        admin.scans(&format!("SB{station:05}")).await.expect(201);
    }
    let acknowledged = Mutex::new(0);
    let load = join_all((0..stations).map(|station| {
        let (admin, acknowledged) = (&admin, &acknowledged);
        async move {
            for n in 0..30 {
                let scan = json!({"qr_code": format!("C{station}-{n:02}"), "parent_qr_code": format!("SB{station:05}"), "id": scan_id()});
                let status = scan_until_acknowledged(admin, &scan).await;
                assert!(matches!(status, 200 | 201), "{status}: {scan}");
                *acknowledged.lock().expect("held shortly") += 1;
            }
        }
    }));
    let kills = async {
        for part in [20, 70, 120] {
            while *acknowledged.lock().expect("held shortly") < part {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            send_signal(postmaster(&folder).expect("it runs"), Signal::KILL);
        }
    };
    tokio::join!(load, kills);
    server.wait_until_ready().await;
    for station in 0..stations {
        let parent = admin.get(&format!("/bags/SB{station:05}")).await.expect(200).body;
        assert_eq!((parent["child_count"].as_i64(), parent["status"].as_str()), (Some(30), Some("completed")));
        let page = admin.get(&format!("/bags/SB{station:05}/children")).await.expect(200);
        let children: HashSet<&str> = page.rows().iter().map(|child| child["qr_code"].as_str().expect("a code")).collect();
        assert_eq!(children.len(), 30);
    }
    assert_eq!(admin.get("/stats").await.expect(200).body["scans"]["total"], stations + stations * 30, "each scan is one event");
    assert_eq!(restarts(&server).await, 3);
    assert!(server.log().contains("PostgreSQL"), "the log says so: {}", server.log());
    assert!(server.is_running());
    database::assert_counts_equal_rows(&url_of(&folder)).await;
    drop(server);
    remove_folder(&folder).await;
}

/// Killed, stopped from outside or crashed; also while a session is busy and holds the shared
/// memory that the next server needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_ends_postgresql_it_serves_again_and_no_old_process_is_left() {
    let folder = new_folder("ended");
    let mut server = ServerProcess::start(&folder, None).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    admin.scans("SB00001").await.expect(201);
    let endings = [Signal::KILL, Signal::QUIT, Signal::INT, Signal::TERM, Signal::ABORT, Signal::SEGV]
        .into_iter()
        .flat_map(|signal| [(signal, false), (signal, true)]);
    for (n, (signal, is_busy)) in (0..).zip(endings) {
        let busy = is_busy.then(|| {
            let url = url_of(&folder);
            tokio::spawn(async move {
                let mut conn = AsyncPgConnection::establish(&url).await.expect("connects");
                let _cut_off = conn.batch_execute("DO $$ BEGIN LOOP END LOOP; END $$").await;
            })
        });
        if is_busy {
            let running = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'DO $$%' AND state = 'active'";
            eventually("the session is busy", async || database::number(&url_of(&folder), running).await == 1).await;
        }
        let before = postmaster(&folder).expect("it runs");
        let old = postgres_processes(&folder);
        send_signal(before, signal);
        let what = format!("after {signal:?}, busy: {is_busy}");
        eventually(&format!("{what}: another PostgreSQL"), async || postmaster(&folder).is_some_and(|now| now != before)).await;
        let scan = json!({"qr_code": format!("CB-{n}"), "parent_qr_code": "SB00001", "id": scan_id()});
        assert!(matches!(scan_until_acknowledged(&admin, &scan).await, 200 | 201), "{what}");
        server.wait_until_ready().await;
        let left: Vec<u32> = postgres_processes(&folder).into_iter().filter(|process| old.contains(process)).collect();
        assert!(left.is_empty(), "{what}: {left:?} are left");
        assert_eq!(restarts(&server).await, n + 1, "{what}");
        if let Some(busy) = busy {
            busy.abort();
        }
    }
    assert_eq!(admin.get("/bags/SB00001").await.expect(200).body["child_count"], 12);
    drop(server);
    remove_folder(&folder).await;
}

/// PostgreSQL recovers from the crash of a session by itself; the supervisor has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_crash_of_a_session_loses_no_scan() {
    let folder = new_folder("session");
    let mut server = ServerProcess::start(&folder, None).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    admin.scans("SB00001").await.expect(201);
    for n in 0..5 {
        let first = postmaster(&folder).expect("it runs");
        let sessions = "SELECT pid::text AS value FROM pg_stat_activity WHERE application_name = 'traitortrack'";
        let session = database::text(&url_of(&folder), sessions).await.parse().expect("a process id");
        send_signal(session, Signal::KILL);
        let scan = json!({"qr_code": format!("CB-{n}"), "parent_qr_code": "SB00001", "id": scan_id()});
        assert!(matches!(scan_until_acknowledged(&admin, &scan).await, 200 | 201));
        server.wait_until_ready().await;
        assert_eq!(postmaster(&folder), Some(first));
    }
    assert_eq!(restarts(&server).await, 0);
    assert_eq!(admin.get("/bags/SB00001").await.expect(200).body["child_count"], 5);
    drop(server);
    remove_folder(&folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_full_disk_of_the_log_it_serves_again_when_there_is_space() {
    let Some(disk) = SmallDisk::mount(256) else { return };
    let folder = disk.folder.join("var");
    let mut server = ServerProcess::start(&folder, None).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    admin.packs("SB00001", ["CB-0".into()]).await;
    for n in 1..=2 {
        let before = postmaster(&folder).expect("it runs");
        disk.fill(2_048);
        // Only the write-ahead log grows. PostgreSQL ends when it can't extend it.
        let log = "SELECT pg_logical_emit_message(false, 'full', repeat('x', 1000000)) FROM generate_series(1, 64)";
        let mut conn = AsyncPgConnection::establish(&url_of(&folder)).await.expect("connects");
        assert!(conn.batch_execute(log).await.is_err(), "the disk is full");
        eventually("PostgreSQL has ended", async || postmaster(&folder) != Some(before)).await;
        let refused = admin.post("/scans", json!({"qr_code": format!("CX-{n}"), "parent_qr_code": "SB00001"})).await;
        assert_eq!(refused.status, 503, "{}", refused.text);
        assert!(!refused.header("retry-after").is_empty());
        eventually("it is not ready", async || !server.is_ready().await).await;
        // Long enough for several failed starts.
        tokio::time::sleep(Duration::from_secs(12)).await;
        assert!(server.is_running(), "{}", server.log());
        disk.free();
        let scan = json!({"qr_code": format!("CB-{n}"), "parent_qr_code": "SB00001", "id": scan_id()});
        assert!(matches!(scan_until_acknowledged(&admin, &scan).await, 200 | 201));
        server.wait_until_ready().await;
    }
    assert_eq!(admin.get("/bags/SB00001").await.expect(200).body["child_count"], 3);
    assert!(restarts(&server).await >= 2);
    database::assert_counts_equal_rows(&url_of(&folder)).await;
    server.request_stop();
    assert!(server.ended().await.is_some_and(|status| status.success()), "{}", server.log());
}

/// Causes that stay: a missing file, wrong permissions, a full disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgresql_that_does_not_start_again_ends_the_process_with_a_message() {
    let Some(disk) = SmallDisk::mount(256) else { return };
    for name in ["gone", "closed", "full"] {
        let folder = disk.folder.join(name);
        let mut server = ServerProcess::start(&folder, None).await;
        let postgres = folder.join("postgres");
        match name {
            "gone" => std::fs::rename(postgres.join("global/pg_control"), folder.join("away")).expect("it is there"),
            "closed" => std::fs::set_permissions(&postgres, std::fs::Permissions::from_mode(0o777)).expect("it is there"),
            _ => disk.fill(0),
        }
        send_signal(postmaster(&folder).expect("it runs"), Signal::KILL);
        let status = server.ended().await;
        let log = server.log();
        assert_eq!(status.map(|status| status.success()), Some(false), "{name}: {log}");
        assert!(log.contains("5 starts failed within 2 minutes"), "{name}: {log}");
        assert!(postgres_processes(&folder).is_empty(), "{name}: nothing is left");
        drop(server);
        let _not_filled = std::fs::remove_file(disk.folder.join("ballast"));
        std::fs::remove_dir_all(&folder).expect("nothing runs there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cause_that_goes_away_in_time_is_survived() {
    let folder = new_folder("obstacle");
    let server = ServerProcess::start(&folder, None).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    admin.scans("SB00001").await.expect(201);
    let (control, away) = (folder.join("postgres/global/pg_control"), folder.join("away"));
    std::fs::rename(&control, &away).expect("it is there");
    send_signal(postmaster(&folder).expect("it runs"), Signal::KILL);
    eventually("a start has failed", async || server.log().contains("could not be started")).await;
    std::fs::rename(&away, &control).expect("it is there");
    assert!(matches!(scan_until_acknowledged(&admin, &json!({"qr_code": "CB-1", "parent_qr_code": "SB00001", "id": scan_id()})).await, 200 | 201));
    drop(server);
    remove_folder(&folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_stops_on_request_while_postgresql_runs_and_while_it_waits_for_a_restart() {
    for is_down in [false, true] {
        let folder = new_folder("stopped");
        let mut server = ServerProcess::start(&folder, None).await;
        if is_down {
            std::fs::rename(folder.join("postgres/global/pg_control"), folder.join("away")).expect("it is there");
            send_signal(postmaster(&folder).expect("it runs"), Signal::KILL);
            eventually("a start has failed", async || server.log().contains("could not be started")).await;
        }
        server.request_stop();
        let status = server.ended().await;
        assert!(status.is_some_and(|status| status.success()), "down: {is_down}: {status:?}: {}", server.log());
        assert!(postgres_processes(&folder).is_empty(), "down: {is_down}");
        assert_eq!(server.log().contains("PostgreSQL has ended"), is_down, "a requested stop is not a crash: {}", server.log());
        drop(server);
        remove_folder(&folder).await;
    }
}

/// As when the machine runs out of memory: the process and the postmaster are killed at once, and a
/// busy session remains.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_left_by_a_killed_server_does_not_prevent_the_next_start() {
    let folder = new_folder("orphan");
    let mut server = ServerProcess::start(&folder, None).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    admin.packs("SB00001", ["CB-1".into()]).await;
    let url = url_of(&folder);
    let busy = tokio::spawn(async move {
        let mut conn = AsyncPgConnection::establish(&url).await.expect("connects");
        let _cut_off = conn.batch_execute("DO $$ BEGIN LOOP END LOOP; END $$").await;
    });
    let running = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'DO $$%' AND state = 'active'";
    eventually("the session is busy", async || database::number(&url_of(&folder), running).await == 1).await;
    let first = postmaster(&folder).expect("it runs");
    // Stopped first, so that it can't react to the end of PostgreSQL. The other way about doesn't do: the
    // kernel lets a stopped postmaster go on when its parent ends, and it then ends the session.
    send_signal(server.pid(), Signal::STOP);
    eventually("the server is stopped", async || is_stopped(server.pid())).await;
    send_signal(first, Signal::KILL);
    server.kill();
    eventually("the session is all that is left", async || postgres_processes(&folder).len() == 1).await;

    let server = ServerProcess::start(&folder, None).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    admin.scans_into("SB00001", "CB-2").await.expect(201);
    assert_eq!(admin.get("/bags/SB00001").await.expect(200).body["child_count"], 2);
    busy.abort();
    drop(server);
    remove_folder(&folder).await;
}
