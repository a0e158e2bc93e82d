//! One private server for the whole run, and databases made from a migrated template in milliseconds.

use std::path::Path;
use std::sync::{Mutex, OnceLock};

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use embedded_postgres::{EmbeddedOptions, EmbeddedPostgres};
use tokio::sync::OnceCell;
use traitortrack::config::{Config, Secret};
use traitortrack::db::{migrations, pool};
use traitortrack::users::first_admin;
use uuid::Uuid;

use super::warehouse::ADMIN_PASSWORD;

const TEMPLATE: &str = "template_of_tests";

/// URL of a database of the run's server, which is started at the first call and ends with the process.
fn url(database: &str) -> String {
    static SERVER: OnceLock<Mutex<EmbeddedPostgres>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let options = EmbeddedOptions {
            data_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("it"),
            durable: false,
            extra_settings: vec![("max_connections".into(), "200".into())],
        };
        Mutex::new(EmbeddedPostgres::start(&options).expect("the test server starts"))
    });
    server.lock().expect("no test panics while it holds this").url(database)
}

async fn admin_connection() -> AsyncPgConnection {
    AsyncPgConnection::establish(&url("postgres")).await.expect("the test server takes connections")
}

/// An empty database without any schema.
pub async fn empty() -> String {
    // The template is made first: it also sweeps away what earlier runs left.
    template().await;
    create("template1").await
}

/// A database with the schema and the first admin.
pub async fn migrated() -> String {
    template().await;
    create(TEMPLATE).await
}

async fn create(template: &str) -> String {
    let name = format!("test_{}", Uuid::new_v4().simple());
    admin_connection().await.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await.expect("a database can be made");
    url(&name)
}

async fn template() {
    static MADE: OnceCell<()> = OnceCell::const_new();
    MADE.get_or_init(async || {
        let mut conn = admin_connection().await;
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            name: String,
        }
        let old: Vec<Row> =
            diesel::sql_query("SELECT datname::text AS name FROM pg_database WHERE datname LIKE 'test_%' OR datname = 'template_of_tests'")
                .load(&mut conn)
                .await
                .expect("databases can be listed");
        for Row { name } in old {
            conn.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.expect("old databases can be dropped");
        }
        conn.batch_execute(&format!("CREATE DATABASE {TEMPLATE}")).await.expect("the template can be made");
        migrations::run_pending(&url(TEMPLATE)).await.expect("migrations run");
        let mut config = Config::defaults();
        config.admin_password = Some(Secret::from(ADMIN_PASSWORD));
        let mut conn = pool::connect(url(TEMPLATE), 30).await.expect("the template takes connections");
        first_admin::ensure(&mut conn, &config).await.expect("the admin is made");
    })
    .await;
}

/// A bag whose row another transaction has locked.
pub struct HeldBag {
    conn: AsyncPgConnection,
}

impl HeldBag {
    /// Locks the row until it is released.
    pub async fn hold(url: &str, qr_code: &str) -> Self {
        let mut conn = AsyncPgConnection::establish(url).await.expect("connects");
        let lock = format!("BEGIN; SELECT FROM bags WHERE qr_code = '{qr_code}' FOR UPDATE");
        conn.batch_execute(&lock).await.expect("the bag can be locked");
        Self { conn }
    }

    pub async fn release(mut self) {
        self.conn.batch_execute("COMMIT").await.expect("the lock was held");
    }
}

/// Runs SQL that no call of the API could.
pub async fn execute(url: &str, sql: &str) {
    AsyncPgConnection::establish(url).await.expect("connects").batch_execute(sql).await.expect("the statement runs");
}

/// The single number a query selects as `n`.
pub async fn number(url: &str, sql: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let mut conn = AsyncPgConnection::establish(url).await.expect("connects");
    let row: Row = diesel::sql_query(sql).get_result(&mut conn).await.expect("the query runs");
    row.n
}

/// The texts that a query selects as `value`.
pub async fn texts(url: &str, sql: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        value: String,
    }
    let mut conn = AsyncPgConnection::establish(url).await.expect("connects");
    let rows: Vec<Row> = diesel::sql_query(sql).load(&mut conn).await.expect("the query runs");
    rows.into_iter().map(|row| row.value).collect()
}

/// The single text that a query selects as `value`.
pub async fn text(url: &str, sql: &str) -> String {
    texts(url, sql).await.into_iter().next().expect("a row")
}

/// Counts kept by triggers and by the scan writer equal what is in the tables.
pub async fn assert_counts_equal_rows(url: &str) {
    let wrong_parents =
        number(url, "SELECT count(*) AS n FROM bags b WHERE b.child_count <> (SELECT count(*) FROM bag_links l WHERE l.parent_id = b.id)");
    assert_eq!(wrong_parents.await, 0, "child_count equals the links of every parent");
    let wrongly_loose = number(
        url,
        "SELECT count(*) AS n FROM bags b WHERE b.kind = 'child' AND b.is_loose = EXISTS (SELECT FROM bag_links l WHERE l.child_id = b.id)",
    );
    assert_eq!(wrongly_loose.await, 0, "a child is loose when it has no link");
    let wrong_counters = number(
        url,
        "SELECT count(*) AS n FROM ( \
           SELECT metric, area_id, sum(value) FROM stat_counters GROUP BY 1, 2 HAVING sum(value) <> 0 \
           EXCEPT (SELECT 'bags_' || coalesce('parent_' || status::text, 'child'), coalesce(dispatch_area_id, 0), count(*)::numeric FROM bags GROUP BY 1, 2 \
                   UNION ALL SELECT 'scans', coalesce(dispatch_area_id, 0), count(*) FROM scans GROUP BY 2 \
                   UNION ALL SELECT 'bills_' || status, 0, count(*) FROM bills GROUP BY 1 \
                   UNION ALL SELECT CASE WHEN is_active THEN 'users_active' ELSE 'users_inactive' END, coalesce(dispatch_area_id, 0), count(*) FROM users GROUP BY 1, 2) \
         ) AS wrong",
    );
    assert_eq!(wrong_counters.await, 0, "every counter equals its recount");
    let scans = number(url, "SELECT (SELECT count(*) FROM scans) - (SELECT coalesce(sum(count), 0)::bigint FROM scan_hours) AS n");
    assert_eq!(scans.await, 0, "the hourly rollup equals the scans");
    let wrong_quarters = number(
        url,
        "WITH kept AS (SELECT quarter, area_id, kind, sum(count) FROM scan_quarters GROUP BY 1, 2, 3), \
              counted AS (SELECT date_bin('15 minutes', uuidv7_time(s.id), timestamptz '2000-01-01 00:00:00+00'), a.id, s.kind, count(*)::numeric \
                          FROM scans s CROSS JOIN LATERAL (VALUES (coalesce(s.dispatch_area_id, 0)), (-1)) AS a (id) GROUP BY 1, 2, 3) \
         SELECT (SELECT count(*) FROM (TABLE kept EXCEPT TABLE counted) AS k) + (SELECT count(*) FROM (TABLE counted EXCEPT TABLE kept) AS c) AS n",
    );
    assert_eq!(wrong_quarters.await, 0, "every quarter of an hour equals its recount, for each area and for all");
}
