//! `api maintenance`, run as people run it, beside a server that works.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Warehouse, database};

async fn maintain(database_url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api"));
    command
        .arg("maintenance")
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("DATABASE_URL", database_url);
    tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("the binary runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn assert_says(output: &Output, succeeds: bool, sentences: &[&str]) {
    let text = text(output);
    assert_eq!(output.status.success(), succeeds, "{text}");
    for sentence in sentences {
        assert!(text.contains(sentence), "{sentence:?} is not in\n{text}");
    }
}

fn finding<'a>(report: &'a Value, index: &str) -> Option<&'a Value> {
    report["index_findings"].as_array().expect("findings").iter().find(|found| found["name"] == index)
}

/// Deletes most of many bags, which leaves their indexes empty and as large as they were.
async fn bloat(url: &str) {
    database::execute(
        url,
        "INSERT INTO bags (qr_code, kind, format_id) SELECT 'GONE-' || n, 'child', (SELECT id FROM bag_formats WHERE name = 'Child') FROM generate_series(1, 60000) n",
    )
    .await;
    database::execute(url, "DELETE FROM bags WHERE qr_code LIKE 'GONE-%' AND id % 50 <> 0").await;
    database::execute(url, "VACUUM (ANALYZE) bags").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bloated_indexes_shrink_while_everybody_scans() {
    let warehouse = Warehouse::open().await;
    let url = warehouse.database_url.clone();
    let (admin, packer) = (warehouse.admin().await, warehouse.packer("Lucknow").await);
    bloat(&url).await;
    let size = "SELECT pg_relation_size('bags_qr_code_key') AS n";
    let before = database::number(&url, size).await;
    let report = admin.get("/admin/system").await.expect(200).body;
    assert_eq!(finding(&report, "bags_qr_code_key").expect("it is bloated")["finding"], "bloated", "{report}");
    assert!(finding(&report, "bags_qr_code_key").expect("it is bloated")["wasted_bytes"].as_i64() > Some(before / 2));
    assert_says(&maintain(&url, &["--dry-run"]).await, true, &["index bags_qr_code_key: would rebuild it"]);
    assert_eq!(database::number(&url, size).await, before, "a dry run changes nothing");

    let scanning = tokio::spawn(async move {
        for parent in 0..4 {
            packer.packs(&format!("SB1000{parent}"), (0..30).map(|n| format!("CB-{parent}-{n}"))).await;
        }
    });
    let done = maintain(&url, &[]).await;
    scanning.await.expect("every scan is answered as ever");
    assert_says(&done, true, &["partitions: ", "housekeeping: ", "statistics: every table analysed", "index bags_qr_code_key: rebuilt: "]);
    assert!(database::number(&url, size).await * 2 < before, "{}", text(&done));
    assert_eq!(database::number(&url, "SELECT count(*) AS n FROM bag_links").await, 120);
    warehouse.assert_counts_equal_rows().await;
    assert_eq!(finding(&admin.get("/admin/system").await.expect(200).body, "bags_qr_code_key"), None);
    assert_says(&maintain(&url, &[]).await, true, &["indexes: none is bloated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_indexes_are_mended_and_leftovers_dropped() {
    let warehouse = Warehouse::open().await;
    let url = &warehouse.database_url;
    let admin = warehouse.admin().await;
    database::execute(
        url,
        "CREATE INDEX bags_dispatch_area_id_idx_ccnew ON bags (dispatch_area_id, id DESC); CREATE INDEX bags_twice_idx ON bags (dispatch_area_id, id DESC); \
         UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('bags_dispatch_area_id_idx_ccnew'::regclass, 'bags_parents_idx'::regclass)",
    )
    .await;
    let report = admin.get("/admin/system").await.expect(200).body;
    for (index, found) in [("bags_dispatch_area_id_idx_ccnew", "invalid"), ("bags_parents_idx", "invalid"), ("bags_twice_idx", "duplicate")] {
        assert_eq!(finding(&report, index).expect(index)["finding"], found);
    }
    assert_eq!(finding(&report, "bags_twice_idx").expect("found")["covered_by"], "bags_dispatch_area_id_idx");
    let sentences = [
        "partitions of scans: 3 months ahead",
        "index bags_twice_idx of bags: duplicate",
        "bags_dispatch_area_id_idx does its work",
        "counted since",
    ];
    assert_says(&maintain(url, &["--report"]).await, true, &sentences);
    let would = ["index bags_dispatch_area_id_idx_ccnew: would drop it", "index bags_parents_idx: would rebuild it: it is invalid"];
    assert_says(&maintain(url, &["--dry-run"]).await, true, &would);
    let invalid = "SELECT count(*) AS n FROM pg_index WHERE NOT indisvalid";
    assert_eq!(database::number(url, invalid).await, 2);

    let done = maintain(url, &[]).await;
    assert_says(&done, true, &["index bags_dispatch_area_id_idx_ccnew: dropped", "index bags_parents_idx: rebuilt"]);
    assert_eq!(database::number(url, invalid).await, 0);
    assert_eq!(database::number(url, "SELECT count(*) AS n FROM pg_class WHERE relname LIKE '%\\_ccnew%'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_is_told_and_leaves_nothing_behind() {
    let warehouse = Warehouse::open().await;
    let url = &warehouse.database_url;
    warehouse.packer("Lucknow").await.packs("SB12345", ["CB-1".into(), "CB-2".into()]).await;
    // Two children of one kind: it can't be unique.
    database::execute(
        url,
        "CREATE INDEX bags_wrong_idx ON bags (kind); UPDATE pg_index SET indisvalid = false, indisunique = true WHERE indexrelid = 'bags_wrong_idx'::regclass",
    )
    .await;
    let done = maintain(url, &[]).await;
    assert_says(&done, false, &["index bags_wrong_idx: FAILED", "statistics: every table analysed", "error: 1 of", "indexes: none is bloated"]);
    assert_eq!(database::number(url, "SELECT count(*) AS n FROM pg_class WHERE relname LIKE '%\\_ccnew%'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_are_not_possible() {
    let url = database::migrated().await;
    let mut other = traitortrack::db::pool::connect_as_owner(url.clone(), 0).await.expect("connects");
    diesel_async::SimpleAsyncConnection::batch_execute(&mut other, "SELECT pg_advisory_lock(7421830133)").await.expect("the lock is free");
    for arguments in [&[] as &[&str], &["--dry-run"]] {
        assert_says(&maintain(&url, arguments).await, false, &["error: maintenance of this database is already running; nothing was done"]);
    }
    assert_says(&maintain(&url, &["--report"]).await, true, &["partitions of audit_logs"]);
    drop(other);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_partitions_are_told_and_made() {
    let warehouse = Warehouse::open().await;
    let url = &warehouse.database_url;
    let admin = warehouse.admin().await;
    let state = async || {
        let health = admin.get_root("/api/health/detailed").await.body;
        let system = admin.get("/admin/system").await.expect(200).body;
        (health["checks"]["partitions"]["status"].as_str().map(str::to_owned), system["partitions"][0].clone())
    };
    let (status, scans) = state().await;
    assert_eq!(
        (status.as_deref(), &scans["table"], &scans["months_ahead"], &scans["is_default_used"]),
        (Some("healthy"), &"scans".into(), &3.into(), &false.into())
    );
    database::execute(
        url,
        "DO $$ BEGIN EXECUTE format('DROP TABLE scans_%s', to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month', 'YYYY_MM')); END $$",
    )
    .await;
    let (status, scans) = state().await;
    assert_eq!((status.as_deref(), &scans["months_ahead"]), (Some("degraded"), &0.into()));
    assert_says(&maintain(url, &["--dry-run"]).await, true, &["scans has 0 months ahead"]);
    assert_says(&maintain(url, &[]).await, true, &["partitions: 1 created"]);
    assert_eq!(state().await.0.as_deref(), Some("healthy"));

    database::execute(
        url,
        "INSERT INTO scans (id, kind, outcome, source, qr_code, user_id, scanned_at) \
         SELECT uuidv7_floor(now() + interval '1 year'), 'lookup', 'bag_not_found', 'api', 'CB-1', 1, now()",
    )
    .await;
    let (status, scans) = state().await;
    assert_eq!((status.as_deref(), &scans["is_default_used"]), (Some("degraded"), &true.into()));
    assert_says(&maintain(url, &["--report"]).await, true, &["ROWS IN THE DEFAULT PARTITION"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_of_partitions_are_built_beside_the_work_and_attached() {
    let warehouse = Warehouse::open().await;
    let url = &warehouse.database_url;
    warehouse.packer("Lucknow").await.packs("SB12345", ["CB-1".into()]).await;
    // As a migration leaves it, cut off in the middle: one partition has a half-built index.
    database::execute(
        url,
        "DROP INDEX scans_area_idx; CREATE INDEX scans_area_idx ON ONLY scans (dispatch_area_id, id DESC); \
         CREATE INDEX scans_default_scans_area_idx ON scans_default (dispatch_area_id, id DESC); \
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'scans_default_scans_area_idx'::regclass",
    )
    .await;
    let partitions = database::number(url, "SELECT count(*) AS n FROM pg_inherits WHERE inhparent = 'scans'::regclass").await;
    assert_says(&maintain(url, &[]).await, true, &[&format!("indexes of partitions: {partitions} built")]);
    let attached = "SELECT count(*) AS n FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid AND x.indisvalid WHERE i.inhparent = 'scans_area_idx'::regclass";
    assert_eq!(database::number(url, attached).await, partitions);
    assert_eq!(database::number(url, "SELECT count(*) AS n FROM pg_index WHERE NOT indisvalid").await, 0);
    assert_says(&maintain(url, &[]).await, true, &["indexes of partitions: 0 built"]);
}
