//! A believable warehouse for trying things out and for measuring: some weeks of work in set-based SQL.
//!
//! Everything goes in through the tables that the application writes, so that triggers count it as they count work.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use crate::auth::password;
use crate::db::sql;

/// Settings of the one transaction: sorts and index work in memory.
const PREPARE: &str = "SET LOCAL work_mem = '256MB'; SET LOCAL maintenance_work_mem = '1GB'; \
     SET LOCAL traitortrack.links_are_noted = 'on'; \
     CREATE FUNCTION pg_temp.uuidv7(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$ \
         SELECT (lpad(to_hex((date_part('epoch', at) * 1000)::bigint), 12, '0') || '7' || substr(gen_random_uuid()::text, 16))::uuid $$;";

/// So far back there are partitions for sure.
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

/// What was made.
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
            "Made {parents} parent bags, {children} child bags, {scans} scans and {bills} bills in {:.1} s.\n\
             {people} people can sign in, among them the packer `asha` and the biller `shanti`, all with the demo password.",
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

/// Makes `bags` bags, parents and children together, packed within the last `days` days, in one transaction: all of it or
/// nothing.
///
/// # Errors
/// When the password breaks the rules, the database holds bags already, or the database fails.
pub async fn seed(conn: &mut AsyncPgConnection, bags: u32, days: u32, demo_password: &str) -> anyhow::Result<Summary> {
    let started = Instant::now();
    ensure!(bags > 0, "--bags has to be 1 or more");
    ensure!((1..=MAX_DAYS).contains(&days), "--days has to be 1 to {MAX_DAYS}");
    password::check_strength(demo_password, "", "--password").map_err(|error| anyhow::anyhow!("{error}"))?;
    let hash = password::hash(demo_password.to_owned()).await.map_err(|error| anyhow::anyhow!("{error}"))?;
    conn.transaction(async |conn| fill(conn, bags, days, hash).await).await?;
    // Counts the rows for the planner and sets the bits that let index-only scans skip the table.
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
    // Nobody scans in between: the numbers of the new bags are laid out beforehand.
    conn.batch_execute("LOCK TABLE bags, bag_links, bills, bill_bags IN SHARE ROW EXCLUSIVE MODE").await?;
    let is_empty = sql("SELECT 1 FROM bags LIMIT 1").execute_on(conn).await? == 0;
    ensure!(is_empty, "this database holds bags already; the demo warehouse fills an empty one only");
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
