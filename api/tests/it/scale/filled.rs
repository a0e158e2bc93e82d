//! The filled database, on a server of its own whose log says how each statement was executed.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use chrono::{TimeDelta, Utc};
use embedded_postgres::{EmbeddedOptions, EmbeddedPostgres};
use traitortrack::config::{Config, Secret};
use traitortrack::db::{migrations, pool};
use traitortrack::seed_demo;
use traitortrack::users::first_admin;

use crate::support::database;
use crate::support::warehouse::ADMIN_PASSWORD;

/// Password of the people of the demo warehouse.
pub const PASSWORD: &str = "Packs-All-Day-1";
const BAGS: u32 = 1_800_000;
/// So that scans and audit entries are in several partitions.
const DAYS: u32 = 60;
/// Rows that make a table large: to read fewer takes 20 ms, and an index of a summary of pages is no sooner.
const LARGE: u32 = 200_000;

/// What the demo warehouse has none of: rare things far back, people and areas without any, an import of children that
/// nobody has packed yet.
const RARITIES: &str = "
    INSERT INTO dispatch_areas (code, name) VALUES ('Nowhere', 'Nowhere');
    INSERT INTO users (username, password_hash, role) SELECT 'biller' || n, '!', 'biller' FROM generate_series(1, 3000) n;
    INSERT INTO scans (id, kind, outcome, source, qr_code, parent_qr_code, user_id, dispatch_area_id, scanned_at, recorded_at)
    SELECT overlay(uuidv7_floor(at)::text PLACING '7' FROM 15 FOR 1)::uuid, kind::scan_kind, outcome::scan_outcome, 'wedge', code, parent,
           (SELECT min(id) FROM users WHERE role = 'dispatcher'), (SELECT min(id) FROM dispatch_areas), at, at
    FROM (SELECT now() - interval '59 days' + n * interval '11 ms' AS at, kind, outcome, code, parent
          FROM generate_series(1, 500) n,
               (VALUES ('undo', 'undone', 'CH10000500', 'SB00055'), ('lookup', 'bag_not_found', 'CH1', NULL),
                       ('child', 'parent_full', 'CH10000501', 'SB00055')) AS k (kind, outcome, code, parent)
          WHERE (n - 1) % 3 = CASE kind WHEN 'undo' THEN 0 WHEN 'lookup' THEN 1 ELSE 2 END) AS rare;
    INSERT INTO audit_logs (id, at, actor_id, actor_name, action, entity_type, entity_id, ip, request_id)
    SELECT overlay(uuidv7_floor(at)::text PLACING '7' FROM 15 FOR 1)::uuid, at, u.id, u.username, CASE WHEN n % 1000 = 0 THEN 'role_changed' ELSE 'sign_in_ok' END,
           'session', u.id::text, CASE WHEN n = 700 THEN '203.0.113.77' ELSE '10.0.0.' || n % 3 END, 'req-' || md5(n::text)
    FROM (SELECT n, now() - interval '59 days' + n * interval '100 s' AS at FROM generate_series(1, 50000) n) AS t
    JOIN (SELECT id, username, row_number() OVER (ORDER BY id) AS k FROM users WHERE role = 'dispatcher') AS u ON u.k = n % 30 + 1;
    INSERT INTO bags (qr_code, kind, format_id) SELECT 'IMP-' || n, 'child', (SELECT id FROM bag_formats WHERE name = 'Child') FROM generate_series(1, 60000) n;
    INSERT INTO notifications (id, user_id, type, code, title, message)
    SELECT gen_random_uuid(), (SELECT id FROM users WHERE username = 'asha'), 'info', 'test', 'Title', 'Message' FROM generate_series(1, 5000);
    INSERT INTO promotion_requests (user_id, wanted_role, reason, status, decided_at)
    SELECT id, 'admin', 'Because.', 'rejected', now() FROM users WHERE username LIKE 'biller%';";

/// A warehouse of 1.8 million bags.
pub struct Filled {
    pub url: String,
    /// What stands for an at-sign name in the queries of calls.
    names: Vec<(&'static str, String)>,
    log: PathBuf,
    server: EmbeddedPostgres,
    /// Where in the log it begins to say how statements were executed.
    start: u64,
}

impl Filled {
    pub async fn make() -> Self {
        let data_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scale");
        let _there_was_none = std::fs::remove_dir_all(&data_dir);
        let settings =
            [("maintenance_work_mem", "1GB"), ("max_wal_size", "16GB"), ("wal_level", "minimal"), ("max_wal_senders", "0"), ("autovacuum", "off")];
        let options = EmbeddedOptions {
            data_dir: data_dir.clone(),
            durable: false,
            extra_settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        };
        let server = EmbeddedPostgres::start(&options).expect("a server of its own starts");
        let url = server.url("traitortrack");
        migrations::run_pending(&url).await.expect("migrations run");
        let mut conn = pool::connect_as_owner(url.clone(), 0).await.expect("connects");
        let mut config = Config::defaults();
        config.admin_password = Some(Secret::from(ADMIN_PASSWORD));
        first_admin::ensure(&mut conn, &config).await.expect("the admin is made");
        let made = seed_demo::seed(&mut conn, BAGS, DAYS, PASSWORD).await.expect("the warehouse is filled");
        eprintln!("{made}");
        database::execute(&url, RARITIES).await;
        database::execute(&url, "VACUUM (ANALYZE)").await;
        let mut filled = Self { url, names: Vec::new(), log: data_dir.join("postgres.log"), server, start: 0 };
        filled.names = vec![
            ("@packer", database::text(&filled.url, "SELECT min(id)::text AS value FROM users WHERE username = 'ravi'").await),
            ("@biller", database::text(&filled.url, "SELECT min(id)::text AS value FROM users WHERE username = 'shanti'").await),
            ("@request", database::text(&filled.url, "SELECT request_id AS value FROM audit_logs WHERE request_id = 'req-' || md5('777')").await),
        ];
        filled.explain_everything().await;
        filled.start = filled.log_length();
        filled
    }

    /// A query with the people and times of this warehouse: `@30` is thirty days ago, `@day` that day.
    pub fn named(&self, query: &str) -> String {
        let mut query = self.names.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value));
        let ago = |days| Utc::now() - TimeDelta::days(days);
        query = query.replace("@day", &ago(30).date_naive().to_string());
        for days in [90, 59, 31, 30, 1, 0] {
            query = query.replace(&format!("@{days}"), &ago(days).format("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        query
    }

    /// Tables and partitions that nobody may read from end to end.
    pub async fn large_tables(&self) -> Vec<String> {
        database::texts(
            &self.url,
            &format!(
                "SELECT relname::text AS value FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples >= {LARGE}"
            ),
        )
        .await
    }

    /// Connections made from now on have the log say of each statement how it was executed.
    async fn explain_everything(&self) {
        let settings = [
            ("session_preload_libraries", "auto_explain"),
            ("log_min_messages", "log"),
            ("auto_explain.log_min_duration", "0"),
            ("auto_explain.log_analyze", "on"),
            ("auto_explain.log_timing", "off"),
            ("auto_explain.log_nested_statements", "on"),
            ("auto_explain.log_format", "json"),
        ];
        // Loaded, or its settings would not be known.
        let mut statements = String::from("LOAD 'auto_explain'");
        for (name, value) in settings {
            statements.push_str(&format!("; ALTER DATABASE traitortrack SET {name} = '{value}'"));
        }
        database::execute(&self.url, &statements).await;
    }

    /// Bytes of the log.
    pub fn log_length(&self) -> u64 {
        std::fs::metadata(&self.log).expect("there is a log").len()
    }

    /// What was logged since everything is explained, with where it begins in the log.
    pub fn log(&self) -> (u64, String) {
        let mut file = std::fs::File::open(&self.log).expect("there is a log");
        file.seek(SeekFrom::Start(self.start)).expect("the log is as long as it was");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("the log is text");
        (self.start, text)
    }
}

impl Drop for Filled {
    /// A gigabyte is not left behind.
    fn drop(&mut self) {
        self.server.stop();
        if let Some(folder) = self.log.parent() {
            let _left_to_the_next_run = std::fs::remove_dir_all(folder.join("postgres"));
        }
    }
}
