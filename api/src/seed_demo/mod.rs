//! A realistic demo warehouse for trials and benchmarks: some weeks of work, created with set-based
//! SQL.
//!
//! All data goes through the tables that the application writes, so that triggers count it as they
//! count real work.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use crate::access::password;
use crate::db::sql;

/// Settings of the single transaction: memory for sorts and index builds.
const PREPARE: &str = "SET LOCAL work_mem = '256MB'; SET LOCAL maintenance_work_mem = '1GB'; \
     SET LOCAL traitortrack.links_are_noted = 'on'; \
     CREATE FUNCTION pg_temp.uuidv7(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$ \
         SELECT (lpad(to_hex((date_part('epoch', at) * 1000)::bigint), 12, '0') || '7' || substr(gen_random_uuid()::text, 16))::uuid $$;";

/// Partitions are guaranteed to exist this far back.
const MAX_DAYS: u32 = 60;

/// Name and SQL of each step, in order.
const STEPS: [(&str, &str); 8] = [
    ("open tables", include_str!("open_tables.sql")),
    ("people", include_str!("people.sql")),
    ("plan", include_str!("plan.sql")),
    ("bags", include_str!("bags.sql")),
    ("scans", include_str!("scans.sql")),
    ("audit log", include_str!("audit.sql")),
    ("bills", include_str!("bills.sql")),
    ("close tables", include_str!("close_tables.sql")),
];

/// The created data.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    pub parents: i64,
    pub children: i64,
    pub scans: i64,
    pub bills: i64,
    pub people: i64,
    pub took: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parents, children, scans, bills, people, took } = self;
        write!(
            f,
            "Created {parents} parent bags, {children} child bags, {scans} scans and {bills} bills in {:.1} s.\n\
             {people} people can sign in, including the packer `asha` and the biller `shanti`, with the demo password.",
            took.as_secs_f64()
        )
    }
}

#[derive(QueryableByName)]
struct Counts {
    #[diesel(sql_type = BigInt)]
    parents: i64,
    #[diesel(sql_type = BigInt)]
    children: i64,
    #[diesel(sql_type = BigInt)]
    scans: i64,
    #[diesel(sql_type = BigInt)]
    bills: i64,
    #[diesel(sql_type = BigInt)]
    people: i64,
}

/// Creates `bags` bags, parents and children together, packed within the last `days` days. One
/// transaction creates all of them or none.
///
/// # Errors
/// Fails if the password is too weak, if the database already contains bags, or if the database
/// fails.
pub async fn seed(conn: &mut AsyncPgConnection, bags: u32, days: u32, demo_password: &str) -> anyhow::Result<Summary> {
    let started = Instant::now();
    ensure!(bags > 0, "--bags must be 1 or more");
    ensure!((1..=MAX_DAYS).contains(&days), "--days must be between 1 and {MAX_DAYS}");
    password::check_strength(demo_password, "", "--password").map_err(|error| anyhow::anyhow!("{error}"))?;
    let hash = password::hash(demo_password.to_owned()).await.map_err(|error| anyhow::anyhow!("{error}"))?;
    conn.transaction(async |conn| fill(conn, bags, days, hash).await).await?;
    // Updates the planner's statistics, and sets the visibility bits that let index-only scans skip
    // the table.
    conn.batch_execute("VACUUM (ANALYZE) bags, bag_links, scans, audit_logs, bills, bill_bags, stat_counters, scan_hours, scan_quarters").await?;
    let counts: Counts = sql("SELECT count(*) FILTER (WHERE kind = 'parent') AS parents, count(*) FILTER (WHERE kind = 'child') AS children, \
                (SELECT count(*) FROM scans) AS scans, (SELECT count(*) FROM bills) AS bills, (SELECT count(*) FROM users) AS people \
         FROM bags")
    .get_result(conn)
    .await?;
    let Counts { parents, children, scans, bills, people } = counts;
    Ok(Summary { parents, children, scans, bills, people, took: started.elapsed() })
}

async fn fill(conn: &mut AsyncPgConnection, bags: u32, days: u32, password_hash: String) -> anyhow::Result<()> {
    // The lock blocks all scans in the meantime: the ids of the new bags are assigned in advance.
    conn.batch_execute("LOCK TABLE bags, bag_links, bills, bill_bags IN SHARE ROW EXCLUSIVE MODE").await?;
    let is_empty = sql("SELECT 1 FROM bags LIMIT 1").execute_on(conn).await? == 0;
    ensure!(is_empty, "this database already contains bags; the demo warehouse requires an empty one");
    conn.batch_execute(PREPARE).await?;
    sql("CREATE TEMP TABLE seed_wish ON COMMIT DROP AS \
         SELECT $1 AS bags, $2 AS days, $3 AS password_hash, now() - interval '10 minutes' AS ends_at")
    .bind::<BigInt, _>(i64::from(bags))
    .bind::<BigInt, _>(i64::from(days))
    .bind::<Text, _>(password_hash)
    .execute_on(conn)
    .await?;
    for (name, statements) in STEPS {
        let started = Instant::now();
        conn.batch_execute(statements).await.with_context(|| format!("the step \"{name}\" failed"))?;
        tracing::info!(step = name, seconds = started.elapsed().as_secs_f64(), "demo warehouse");
    }
    Ok(())
}
