//! Retention of the audit log: old months go to files, and no entry is lost on the way.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::Utc;
use serde_json::Value;
use traitortrack::audit::retention::archive_old_months;
use traitortrack::config::Config;
use traitortrack::db::{Pool, partitions, pool};

use crate::support::process::{run_api, text_of};
use crate::support::{Warehouse, database};

/// An audit log with a retention, and the folder of its archives.
struct Log {
    url: String,
    folder: PathBuf,
    config: Config,
    pool: Pool,
}

impl Log {
    async fn with_retention(days: u32) -> Self {
        let url = database::migrated().await;
        let name = format!("archive-{}", uuid::Uuid::new_v4().simple());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut config = Config::defaults();
        config.audit_retention_days = days;
        config.audit_archive_dir = Some(folder.clone());
        let pool = pool::create(&url, &config.database).expect("a pool");
        Self { url, folder, config, pool }
    }

    /// Writes entries `E-<month>-<n>` of a month that began `months` months before this one. The
    /// second of them is a deletion, which stays in the database.
    async fn has_entries(&self, months: i32, numbers: std::ops::Range<i32>) {
        let (first, last) = (numbers.start, numbers.end - 1);
        let statement =
            format!("SELECT ensure_month_partitions('audit_logs', now() - interval '{months} months', 1); {}", insert(months, first, last));
        database::execute(&self.url, &statement).await;
    }

    /// What the server does at its start and every night.
    async fn night(&self) -> Vec<PathBuf> {
        partitions::ensure(&mut self.pool.get().await.expect("a connection")).await.expect("partitions");
        archive_old_months(&self.pool, &self.config, Utc::now()).await.expect("archives")
    }

    /// How often each entry is in the archives.
    fn archived(&self) -> HashMap<String, usize> {
        let mut found = HashMap::new();
        for line in self.files().values().flat_map(|text| text.lines()) {
            let entry: Value = serde_json::from_str(line).expect("each line is an entry");
            *found.entry(entry["entity_id"].as_str().expect("a text").to_owned()).or_default() += 1;
        }
        found
    }

    /// Name and content of each file.
    fn files(&self) -> BTreeMap<String, String> {
        let Ok(folder) = std::fs::read_dir(&self.folder) else { return BTreeMap::new() };
        let paths = folder.map(|entry| entry.expect("an entry").path());
        let finished = paths.filter(|path| path.extension().is_some_and(|end| end == "ndjson"));
        let named = finished.map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), path));
        named.map(|(name, path)| (name, std::fs::read_to_string(path).expect("a text"))).collect()
    }

    /// Every entry that was written is in the database, or in the archives exactly once; role
    /// changes and deletions are in the database in any case.
    #[track_caller]
    fn assert_nothing_is_lost(&self, in_database: &[String], written: &[String]) {
        let archived = self.archived();
        for entry in written {
            let (is_there, copies) = (in_database.contains(entry), archived.get(entry).copied().unwrap_or_default());
            let is_deletion = entry.ends_with("-2");
            assert!(copies <= 1, "{entry} is archived {copies} times");
            assert!(is_there || copies == 1 && !is_deletion, "{entry} is lost");
            assert!(!is_there || copies == 0 || is_deletion, "{entry} is in the database and in a file");
        }
    }

    async fn in_database(&self) -> Vec<String> {
        database::texts(&self.url, "SELECT entity_id AS value FROM audit_logs WHERE entity_id LIKE 'E-%'").await
    }

    async fn maintain(&self) -> std::process::Output {
        let days = self.config.audit_retention_days.to_string();
        let folder = self.folder.display().to_string();
        let settings = [("DATABASE_URL", &*self.url), ("AUDIT_RETENTION_DAYS", &days), ("AUDIT_ARCHIVE_DIR", &folder)];
        run_api(&["maintenance"], &settings).await
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _never_made = std::fs::remove_dir_all(&self.folder);
    }
}

fn insert(months: i32, first: i32, last: i32) -> String {
    format!(
        "INSERT INTO audit_logs (id, at, action, entity_type, entity_id) \
         SELECT uuidv7_floor(t), t, CASE n WHEN 2 THEN 'bag_deleted' ELSE 'bag_changed' END, 'bag', 'E-{months}-' || n \
         FROM (SELECT n, (date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC') - interval '{months} months' \
                         + n * interval '1 second' AS t \
               FROM generate_series({first}, {last}) AS n) AS rows"
    )
}

fn names(months: i32, numbers: std::ops::Range<i32>) -> impl Iterator<Item = String> {
    numbers.map(move |n| format!("E-{months}-{n}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_entry_is_lost_night_after_night_with_any_retention() {
    for days in [30, 1, 2, 7, 28, 29, 31, 32, 45, 59, 60, 61, 62, 90, 120, 365] {
        let log = Log::with_retention(days).await;
        let months = [0, 1, 2, 3, 4, 14];
        for month in months {
            log.has_entries(month, 1..8).await;
        }
        let written: Vec<String> = months.into_iter().flat_map(|month| names(month, 1..8)).collect();
        let first = log.night().await;
        log.assert_nothing_is_lost(&log.in_database().await, &written);
        assert!(!first.is_empty(), "{days} days: the month of a year ago is archived");
        let files = log.files();
        assert!(files.values().all(|text| text.lines().count() == 7), "{days} days: {files:?}");
        for night in 2..5 {
            assert_eq!(log.night().await, Vec::<PathBuf>::new(), "{days} days: nothing is left to archive in night {night}");
            assert_eq!(log.files(), files, "{days} days: the files are as they were after night {night}");
            log.assert_nothing_is_lost(&log.in_database().await, &written);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_after_a_short_retention_and_maintenance_goes_on() {
    let log = Log::with_retention(1).await;
    for month in [1, 2] {
        log.has_entries(month, 1..8).await;
    }
    let written: Vec<String> = [1, 2].into_iter().flat_map(|month| names(month, 1..8)).collect();
    for night in 1..4 {
        let done = log.maintain().await;
        assert!(done.status.success(), "night {night}: {}", text_of(&done));
        log.assert_nothing_is_lost(&log.in_database().await, &written);
        let config = |config: &mut Config| config.audit_retention_days = 1;
        let warehouse = Warehouse::open_on(log.url.clone(), config).await;
        let health = warehouse.admin().await.get_root("/api/health/detailed").await.body;
        assert_eq!(health["checks"]["partitions"]["status"], "healthy", "night {night}: {health}");
        warehouse.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_is_never_overwritten() {
    let log = Log::with_retention(300).await;
    log.has_entries(14, 1..8).await;
    let month = database::text(&log.url, "SELECT to_char(now() AT TIME ZONE 'UTC' - interval '14 months', 'YYYY_MM') AS value").await;
    std::fs::create_dir_all(&log.folder).expect("a folder");
    let earlier = log.folder.join(format!("audit_logs_{month}.ndjson"));
    // Of an installation from before archives were recorded: other entries of the same month.
    std::fs::write(&earlier, "{\"entity_id\":\"of an earlier run\"}\n").expect("it can be written");
    let files = log.night().await;
    assert_eq!(files, [log.folder.join(format!("audit_logs_{month}.2.ndjson"))]);
    assert_eq!(std::fs::read_to_string(&earlier).expect("a text"), "{\"entity_id\":\"of an earlier run\"}\n");
    log.assert_nothing_is_lost(&log.in_database().await, &names(14, 1..8).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_before_the_drop_is_finished_by_the_next() {
    let log = Log::with_retention(300).await;
    log.has_entries(14, 1..8).await;
    let in_drop = (
        "CREATE FUNCTION fails() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'cut off'; END $$; \
         CREATE EVENT TRIGGER cut_off ON sql_drop EXECUTE FUNCTION fails()",
        "DROP EVENT TRIGGER cut_off; DROP FUNCTION fails()",
        0,
    );
    // When the file has its name.
    let at_commit = (
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'cut off'; END $$; \
         CREATE CONSTRAINT TRIGGER cut_off AFTER INSERT ON audit_archives DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fails()",
        "DROP FUNCTION fails() CASCADE",
        1,
    );
    for (fault, repair, files) in [in_drop, at_commit] {
        database::execute(&log.url, fault).await;
        let cut_off = archive_old_months(&log.pool, &log.config, Utc::now()).await.expect_err("it is cut off");
        assert!(format!("{cut_off:#}").contains("cut off"), "{cut_off:#}");
        assert_eq!(log.in_database().await.len(), 7, "all is in the database");
        assert_eq!(log.files().len(), files);
        database::execute(&log.url, repair).await;
    }
    assert_eq!(log.night().await.len(), 1);
    assert_eq!(log.files().len(), 1, "the file of the run before is used");
    log.assert_nothing_is_lost(&log.in_database().await, &names(14, 1..8).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_any_point_no_entry_is_lost() {
    let log = Log::with_retention(300).await;
    for month in [12, 13, 14] {
        log.has_entries(month, 1..20_001).await;
    }
    let written: Vec<String> = [12, 13, 14].into_iter().flat_map(|month| names(month, 1..20_001)).collect();
    // After a delay that grows: before the first file, within one, between two, after the last.
    for delay in 0..12 {
        let mut run = Command::new(env!("CARGO_BIN_EXE_api"))
            .arg("maintenance")
            .env_clear()
            .env("DATABASE_URL", &log.url)
            .env("AUDIT_RETENTION_DAYS", "300")
            .env("AUDIT_ARCHIVE_DIR", &log.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        tokio::time::sleep(Duration::from_millis(delay * 120)).await;
        let _has_ended = run.kill();
        run.wait().expect("it is a child");
    }
    let done = log.maintain().await;
    assert!(done.status.success(), "{}", text_of(&done));
    let in_database = log.in_database().await;
    assert_eq!(in_database.len(), 3, "the deletions");
    log.assert_nothing_is_lost(&in_database, &written);
    let left = std::fs::read_dir(&log.folder).expect("the folder").count();
    assert_eq!(left, log.files().len(), "no unfinished file is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn entries_written_while_their_month_is_archived_are_not_lost() {
    let log = Log::with_retention(300).await;
    log.has_entries(14, 1..30_001).await;
    let url = log.url.clone();
    let writer = tokio::spawn(async move {
        // Each is a transaction of its own over a connection as the server's, refused or written.
        let mut written = Vec::new();
        for n in 30_001..30_101 {
            let mut conn = pool::connect(url.clone(), 15).await.expect("connects");
            if diesel_async::SimpleAsyncConnection::batch_execute(&mut conn, &insert(14, n, n)).await.is_ok() {
                written.push(format!("E-14-{n}"));
            }
        }
        written
    });
    while !writer.is_finished() {
        log.night().await;
    }
    let late = writer.await.expect("no panic");
    log.night().await;
    let written: Vec<String> = names(14, 1..30_001).chain(late).collect();
    let in_database = log.in_database().await;
    log.assert_nothing_is_lost(&in_database, &written);
    assert_eq!(in_database.len(), 1, "all but the deletion are archived");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_processes_archive_each_month_once() {
    let log = Log::with_retention(300).await;
    for month in 11..15 {
        log.has_entries(month, 1..2_001).await;
    }
    let runs = futures_util::future::join_all((0..6).map(|_| archive_old_months(&log.pool, &log.config, Utc::now()))).await;
    let files: usize = runs.into_iter().map(|files| files.expect("each run ends well").len()).sum();
    assert_eq!(files, 4, "each month was archived by one of them");
    assert_eq!(log.files().len(), 4);
    let written: Vec<String> = (11..15).flat_map(|month| names(month, 1..2_001)).collect();
    log.assert_nothing_is_lost(&log.in_database().await, &written);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_entries_of_an_archived_month_go_to_a_further_file() {
    let log = Log::with_retention(300).await;
    log.has_entries(14, 1..8).await;
    assert_eq!(log.night().await.len(), 1);
    for (n, late) in [(2, 8..11), (3, 11..12)] {
        database::execute(&log.url, &insert(14, late.start, late.end - 1)).await;
        let files = log.night().await;
        assert_eq!(files.len(), 1, "{files:?}");
        assert!(files[0].to_string_lossy().ends_with(&format!(".{n}.ndjson")), "{files:?}");
        assert_eq!(log.night().await, Vec::<PathBuf>::new());
    }
    log.assert_nothing_is_lost(&log.in_database().await, &names(14, 1..12).collect::<Vec<_>>());
    let rows = "SELECT sum(rows)::bigint AS n FROM audit_archives";
    assert_eq!(database::number(&log.url, rows).await, 11, "the database knows what was archived");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_archived_before_there_were_records_goes_on() {
    let log = Log::with_retention(30).await;
    let migration = |name: &str, step: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/2026-11-28-");
        std::fs::read_to_string(format!("{folder}{name}/{step}.sql")).expect("a script")
    };
    let [first, second] = ["006000_move_rows_to_their_partition", "006001_archive_months_once"];
    database::execute(&log.url, &migration(second, "down")).await;
    database::execute(&log.url, &migration(first, "down")).await;
    // What was left of a month: its deletions in the default partition, all of it in a file.
    for months in [3, 5] {
        let drop = format!(
            "DO $$ BEGIN EXECUTE format('DROP TABLE IF EXISTS audit_logs_%s', to_char(now() AT TIME ZONE 'UTC' - interval '{months} months', 'YYYY_MM')); END $$"
        );
        database::execute(&log.url, &drop).await;
        database::execute(&log.url, &insert(months, 2, 2)).await;
    }
    database::execute(&log.url, &migration(first, "up")).await;
    database::execute(&log.url, &migration(second, "up")).await;
    let config = |config: &mut Config| config.audit_retention_days = 30;
    let warehouse = Warehouse::open_on(log.url.clone(), config).await;
    let health = warehouse.admin().await.get_root("/api/health/detailed").await.body;
    assert_eq!(health["checks"]["partitions"]["status"], "healthy", "{health}");
    assert_eq!(log.night().await, Vec::<PathBuf>::new());
    assert_eq!(log.in_database().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retention_that_makes_no_sense_is_refused_and_0_keeps_everything() {
    let log = Log::with_retention(0).await;
    log.has_entries(14, 1..8).await;
    assert_eq!(log.night().await, Vec::<PathBuf>::new());
    assert_eq!(log.in_database().await.len(), 7);
    for days in ["36501", "4294967295", "99999999999", "-1", "1.5", "a year"] {
        for command in ["serve", "maintenance"] {
            let settings = [("DATABASE_URL", &*log.url), ("AUDIT_RETENTION_DAYS", days), ("BIND", "127.0.0.1:0")];
            let refused = run_api(&[command], &settings).await;
            let text = text_of(&refused);
            assert!(!refused.status.success(), "{command} {days}");
            assert!(text.contains("from 1 to 36500") && text.contains("0 keeps everything"), "{command} {days}: {text}");
            assert!(!text.contains("panicked"), "{command} {days}: {text}");
        }
    }
    assert_eq!(log.in_database().await.len(), 7);
}
