//! Monthly partitions: the server starts whatever state they are in, and rows end up in the
//! partition of their month.

use std::collections::HashSet;
use std::time::Duration;

use diesel_async::SimpleAsyncConnection;
use traitortrack::db::pool;

use crate::support::process::{ServerProcess, run_api, text_of};
use crate::support::{Warehouse, database};

/// SQL functions that tests make months and rows with: `at(2)` is a moment of the month after next,
/// `name('scans', 2)` its partition.
const TOOLS: &str = "
    CREATE FUNCTION at(months int) RETURNS timestamptz LANGUAGE sql STABLE AS $$
        SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => months, days => 9, hours => 5)) AT TIME ZONE 'UTC' $$;
    CREATE FUNCTION name(tab text, months int) RETURNS text LANGUAGE sql STABLE AS $$
        SELECT tab || '_' || to_char(at(months) AT TIME ZONE 'UTC', 'YYYY_MM') $$;
    CREATE FUNCTION drop_month(tab text, months int) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN EXECUTE 'DROP TABLE ' || name(tab, months); END $$;
    CREATE FUNCTION scan(moments timestamptz[]) RETURNS void LANGUAGE sql AS $$
        INSERT INTO scans (id, kind, outcome, source, qr_code, user_id, scanned_at)
        SELECT uuidv7_floor(m + n * interval '1 minute'), 'lookup', 'bag_not_found', 'api', 'CB-1', 1, m
        FROM unnest(moments) AS m, generate_series(1, 40) AS n $$;
    CREATE FUNCTION log(moments timestamptz[]) RETURNS void LANGUAGE sql AS $$
        INSERT INTO audit_logs (id, at, actor_id, action, entity_type, entity_id)
        SELECT uuidv7_floor(m + n * interval '1 minute'), m, 1, CASE WHEN n % 2 = 0 THEN 'role_changed' ELSE 'bag_changed' END, 'user', '1'
        FROM unnest(moments) AS m, generate_series(1, 40) AS n $$;";

async fn database_with(damage: &str) -> String {
    let url = database::migrated().await;
    database::execute(&url, &format!("{TOOLS} {damage}")).await;
    url
}

/// Every row of a table, in whichever partition.
async fn rows(url: &str, table: &str) -> Vec<String> {
    database::texts(url, &format!("SELECT to_jsonb(t)::text AS value FROM {table} t")).await
}

async fn health_of(warehouse: &Warehouse) -> serde_json::Value {
    warehouse.admin().await.get_root("/api/health/detailed").await.body["checks"]["partitions"].clone()
}

async fn assert_every_row_is_in_its_month(url: &str) {
    for table in ["scans", "audit_logs"] {
        assert_eq!(database::number(url, &format!("SELECT count(*) AS n FROM {table}_default")).await, 0, "{table}");
        // Guarded and counted as every other partition, with every index of its table.
        let odd = format!(
            "SELECT count(*) AS n FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid WHERE i.inhparent = '{table}'::regclass AND ( \
               has_table_privilege('traitortrack_app', p.oid, 'DELETE') OR NOT has_table_privilege('traitortrack_app', p.oid, 'INSERT, SELECT') \
               OR (SELECT count(*) FROM pg_index x JOIN pg_inherits a ON a.inhrelid = x.indexrelid WHERE x.indrelid = p.oid AND x.indisvalid) \
                  <> (SELECT count(*) FROM pg_index WHERE indrelid = '{table}'::regclass) \
               OR (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = p.oid AND t.tgparentid <> 0) \
                  <> (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = '{table}'::regclass AND t.tgtype & 1 = 1))"
        );
        assert_eq!(database::number(url, &odd).await, 0, "partitions of {table} that are not as the others");
    }
    assert_eq!(database::number(url, "SELECT count(*) AS n FROM pg_index WHERE NOT indisvalid").await, 0);
}

/// What stood in the way of a start, or would in a month to come.
const DAMAGES: [(&str, &str); 9] = [
    ("scans of a coming month", "SELECT drop_month('scans', 3), scan(ARRAY[at(3)])"),
    ("audit entries that were kept of a month", "SELECT drop_month('audit_logs', -1), log(ARRAY[at(-1)])"),
    ("this month", "SELECT drop_month('scans', 0), drop_month('audit_logs', 0), scan(ARRAY[at(0)]), log(ARRAY[at(0)])"),
    (
        "several months of both tables",
        "SELECT drop_month(t, m) FROM unnest(ARRAY['scans', 'audit_logs']) AS t, unnest(ARRAY[-1, 1, 2, 3]) AS m; \
         SELECT scan(ARRAY[at(-1), at(1), at(2), at(3)]), log(ARRAY[at(-1), at(1), at(2), at(3)])",
    ),
    (
        "years that a wrong clock can show",
        "SELECT scan(ARRAY[timestamptz '1970-01-01 00:00Z', '2019-12-31 12:00Z', at(14), '2099-06-01 00:00Z', '9999-12-31 00:00Z']), \
                log(ARRAY[timestamptz '1970-01-01 00:00Z', '2019-12-31 12:00Z', at(14), '2099-06-01 00:00Z'])",
    ),
    (
        "a partition that was detached with its rows",
        "SELECT scan(ARRAY[at(1)]); DO $$ BEGIN EXECUTE 'ALTER TABLE scans DETACH PARTITION ' || name('scans', 1); END $$; SELECT scan(ARRAY[at(1) + interval '1 day'])",
    ),
    (
        "a partition of half a month",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE scans DETACH PARTITION ' || name('scans', 2); \
           EXECUTE format('ALTER TABLE scans ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name('scans', 2), \
                          uuidv7_floor(date_trunc('month', at(2))), uuidv7_floor(at(2))); END $$; \
         SELECT scan(ARRAY[at(2), at(2) - interval '5 days'])",
    ),
    (
        "one table's partition without the other's, and an index that is not built yet",
        "SELECT drop_month('audit_logs', 3), log(ARRAY[at(3)]); \
         DROP INDEX audit_logs_action_idx; CREATE INDEX audit_logs_action_idx ON ONLY audit_logs (action, id DESC) WHERE action NOT IN ('bag_created', 'child_linked')",
    ),
    ("nothing at all", "SELECT 1"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_server_starts_whatever_is_in_a_default_partition_and_maintenance_repairs_it() {
    for (name, damage) in DAMAGES {
        let url = database_with(damage).await;
        let before = [rows(&url, "scans").await, rows(&url, "audit_logs").await].concat();
        // Maintenance alone, before any server starts.
        let other = database_with(damage).await;
        let done = run_api(&["maintenance"], &[("DATABASE_URL", &other), ("AUDIT_RETENTION_DAYS", "0")]).await;
        assert!(done.status.success(), "{name}: {}", text_of(&done));
        if name != "nothing at all" {
            assert!(text_of(&done).contains("from the default partition"), "{name}: {}", text_of(&done));
        }
        assert_every_row_is_in_its_month(&other).await;

        let warehouse = Warehouse::open_on(url.clone(), |config| config.audit_retention_days = 0).await;
        let after: HashSet<String> = [rows(&url, "scans").await, rows(&url, "audit_logs").await].concat().into_iter().collect();
        assert!(before.iter().all(|row| after.contains(row)), "{name}: every row is there as it was");
        let done = run_api(&["maintenance"], &[("DATABASE_URL", &url), ("AUDIT_RETENTION_DAYS", "0")]).await;
        assert!(done.status.success(), "{name}: {}", text_of(&done));
        assert_eq!(health_of(&warehouse).await["status"], "healthy", "{name}");
        assert_every_row_is_in_its_month(&url).await;
        warehouse.packer("Lucknow").await.packs("SB12345", ["CB-1".into()]).await;
        warehouse.assert_counts_equal_rows().await;
        warehouse.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_repaired_is_told_with_the_command_and_stops_nothing() {
    let damage = "SELECT drop_month('scans', 3), drop_month('scans', 2), drop_month('audit_logs', -1), log(ARRAY[at(-1)]); \
                  DO $$ BEGIN EXECUTE 'CREATE TABLE ' || name('scans', 3) || ' (note text)'; END $$";
    let url = database_with(damage).await;
    let warehouse = Warehouse::open_on(url.clone(), |_| {}).await;
    let partitions = health_of(&warehouse).await;
    assert_eq!((&partitions["status"], &partitions["repair_command"]), (&"degraded".into(), &"api maintenance".into()), "{partitions}");
    let blocked = database::text(&url, "SELECT name('scans', 3) AS value").await;
    let done = run_api(&["maintenance"], &[("DATABASE_URL", &url)]).await;
    let text = text_of(&done);
    assert!(!done.status.success() && text.contains("partitions: FAILED") && text.contains(&blocked), "{text}");
    assert!(text.contains("statistics: every table analysed"), "the other steps are done: {text}");
    assert_eq!(database::number(&url, "SELECT count(*) AS n FROM audit_logs_default").await, 0, "the other months are repaired");
    warehouse.packer("Lucknow").await.packs("SB12345", ["CB-1".into()]).await;

    database::execute(&url, &format!("DROP TABLE {blocked}")).await;
    let done = run_api(&["maintenance"], &[("DATABASE_URL", &url)]).await;
    assert!(done.status.success() && text_of(&done).contains("partitions: 1 created"), "{}", text_of(&done));
    let partitions = health_of(&warehouse).await;
    assert_eq!((&partitions["status"], partitions.get("repair_command")), (&"healthy".into(), None), "{partitions}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_others_hold_does_not_keep_the_server_from_starting() {
    let url = database_with("SELECT drop_month('scans', 1), drop_month('scans', 2), scan(ARRAY[at(1)])").await;
    let mut other = pool::connect_as_owner(url.clone(), 0).await.expect("connects");
    other.batch_execute("BEGIN; LOCK TABLE scans_default IN ACCESS SHARE MODE").await.expect("the lock is free");
    let warehouse = Warehouse::open_on(url.clone(), |config| config.database.statement_timeout_seconds = 2).await;
    assert_eq!(health_of(&warehouse).await["status"], "degraded");
    warehouse.packer("Lucknow").await.packs("SB12345", ["CB-1".into()]).await;
    drop(other);
    let done = run_api(&["maintenance"], &[("DATABASE_URL", &url)]).await;
    assert!(done.status.success() && text_of(&done).contains("40 rows moved"), "{}", text_of(&done));
    assert_eq!(health_of(&warehouse).await["status"], "healthy");
}

/// Scans come in for a month that has no partition while its partition is made: none is lost, none
/// counted twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn packers_scan_on_while_rows_are_moved() {
    let url = database_with("SELECT 1").await;
    let warehouse = Warehouse::open_on(url.clone(), |_| {}).await;
    let packer = warehouse.packer("Lucknow").await;
    database::execute(&url, "SELECT drop_month('scans', 0), drop_month('audit_logs', 0), scan(ARRAY[at(0)])").await;
    let scanning = tokio::spawn(async move {
        for parent in 0..4 {
            packer.packs(&format!("SB1000{parent}"), (0..30).map(|n| format!("CB-{parent}-{n}"))).await;
        }
    });
    while !scanning.is_finished() {
        let done = run_api(&["maintenance"], &[("DATABASE_URL", &url)]).await;
        assert!(done.status.success(), "{}", text_of(&done));
    }
    scanning.await.expect("every scan is answered as ever");
    assert_every_row_is_in_its_month(&url).await;
    assert_eq!(database::number(&url, "SELECT count(*) AS n FROM bag_links").await, 120);
    // The rows dropped above are gone from the table alone.
    assert_eq!(database::number(&url, "SELECT count(*) AS n FROM scans").await, 4 + 120 + 40);
}

/// Every metric that the documents name, but for those of requests, is there before anything
/// happens.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_there_from_the_first_scrape() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("metrics-{}", uuid::Uuid::new_v4().simple()));
    let url = database_with("SELECT drop_month('scans', 1), scan(ARRAY[at(1), at(0) - interval '1 year'])").await;
    // A replica that does not answer.
    let settings = [("READ_REPLICA_URLS", "postgres://nobody@127.0.0.1:1/nothing")];
    let server = ServerProcess::start_with(&folder, Some(&url), &settings).await;
    let metrics = server.nobody().get_root("/metrics").await.expect(200).text;
    for line in [
        "default_partition_used{table=\"scans\"} 0",
        "default_partition_used{table=\"audit_logs\"} 0",
        "partition_months_ahead{table=\"scans\"} 3",
        "partition_months_ahead{table=\"audit_logs\"} 3",
        "db_replica_healthy{replica=\"127.0.0.1:1\"} 0",
        "bag_scans_total{kind=\"child\",outcome=\"linked\"} 0",
        "db_reads_total{target=\"primary\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md")).expect("the document");
    let named = regex::Regex::new(r"`([a-z]+(?:_[a-z]+)+)(?:\{[a-z_,]*\})?`").expect("a pattern");
    let named = named.captures_iter(&text).map(|found| found[1].to_owned());
    let metric = |name: &String| ["_total", "_used", "_ahead", "_healthy", "_seconds"].iter().any(|end| name.ends_with(end));
    // A lag is known when the replica has answered.
    let documented: Vec<String> = named.filter(metric).filter(|name| !name.starts_with("db_replica_lag")).collect();
    assert!(documented.len() >= 6, "{documented:?}");
    for name in documented {
        assert!(metrics.contains(&format!("\n{name}")), "{name} in\n{metrics}");
    }
    drop(server);
    let _never_made = std::fs::remove_dir_all(folder);
}

/// A gauge follows what happens within a minute or so, not hours later.
#[tokio::test(flavor = "multi_thread")]
async fn the_metric_shows_when_a_row_lands_in_a_default_partition() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("metrics-{}", uuid::Uuid::new_v4().simple()));
    let url = database_with("SELECT 1").await;
    let server = ServerProcess::start_with(&folder, Some(&url), &[]).await;
    database::execute(&url, "SELECT scan(ARRAY[at(5)])").await;
    for _ in 0..600 {
        let metrics = server.nobody().get_root("/metrics").await.expect(200).text;
        if metrics.contains("default_partition_used{table=\"scans\"} 1") {
            drop(server);
            let _never_made = std::fs::remove_dir_all(folder);
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the metric did not change in five minutes");
}
