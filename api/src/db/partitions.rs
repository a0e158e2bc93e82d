//! The monthly partitions of `scans` and `audit_logs`, made ahead of time.
//!
//! Nothing waits for them: a row of a month without a partition goes to the default partition, and
//! is moved when the partition of its month is made.

use std::time::Duration;

use chrono::NaiveDate;
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Date, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::pool::Pool;
use super::sql;
use super::sqlstate::TemporaryFailure;
use crate::background::{PeriodicTask, TaskResult};

/// Repairs partitions, and tells what stands in the way.
pub const REPAIR_COMMAND: &str = "api maintenance";

/// Tables keyed by UUIDv7 and partitioned by its month.
const TABLES: [&str; 2] = ["scans", "audit_logs"];
/// Partitions are made this often.
const INTERVAL: Duration = Duration::from_secs(6 * 60 * 60);
/// After a failure they are tried again this soon.
const RETRY_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// The metrics are renewed this often.
pub const METRICS_INTERVAL: Duration = Duration::from_secs(30);

/// Status of the partitions of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, QueryableByName)]
pub struct PartitionFigures {
    #[schema(example = "scans")]
    #[diesel(sql_type = Text)]
    pub table: String,
    /// Number of consecutive future months that have a partition.
    #[schema(example = 3)]
    #[diesel(sql_type = BigInt)]
    pub months_ahead: i64,
    /// The default partition contains rows that belong in a monthly partition.
    #[diesel(sql_type = Bool)]
    pub is_default_used: bool,
    /// Every partition is there that should be, a day after a month has begun.
    #[serde(skip)]
    #[diesel(sql_type = Bool)]
    pub is_complete: bool,
}

impl PartitionFigures {
    /// Is every row in the partition of its month, and will be in the months to come?
    pub fn is_healthy(&self) -> bool {
        !self.is_default_used && self.is_complete
    }
}

/// What [`ensure`] did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ensured {
    /// Partitions made or attached.
    pub made: usize,
    /// Rows moved into them from default partitions.
    pub moved: i64,
    /// A sentence for each partition that could not be made.
    pub failures: Vec<String>,
}

/// A partition that is needed and not there.
struct Missing {
    table: &'static str,
    month: NaiveDate,
}

impl Missing {
    fn name(&self) -> String {
        format!("{}_{}", self.table, self.month.format("%Y_%m"))
    }
}

/// Makes the partitions from two months back (scans come up to 30 days late) to three months ahead,
/// and those of months that have rows in a default partition, which are moved. Months of the audit
/// log that were archived are left out. Each partition is a transaction of its own: one that fails
/// does not keep the others from being made. Renews the metrics.
///
/// # Errors
/// When the database can't be read or the connection is lost; what was made before stays.
pub async fn ensure(conn: &mut AsyncPgConnection) -> QueryResult<Ensured> {
    let mut ensured = Ensured::default();
    for table in TABLES {
        for missing in missing(conn, table).await? {
            match make(conn, &missing).await {
                Ok(None) => {}
                Ok(Some(moved)) => {
                    tracing::info!(partition = missing.name(), moved, "a partition was created");
                    ensured.made += 1;
                    ensured.moved += moved;
                }
                Err(error) if TemporaryFailure::of_error(&error) == Some(TemporaryFailure::ConnectionLost) => return Err(error),
                Err(error) => {
                    tracing::error!(partition = missing.name(), %error, "a partition could not be created: run `{REPAIR_COMMAND}`");
                    ensured.failures.push(format!("{}: {error}", missing.name()));
                    // The table is held by others: the next month would wait for it in its turn.
                    if TemporaryFailure::of_error(&error) == Some(TemporaryFailure::TimedOut) {
                        break;
                    }
                }
            }
        }
    }
    publish(conn).await?;
    Ok(ensured)
}

async fn missing(conn: &mut AsyncPgConnection, table: &'static str) -> QueryResult<Vec<Missing>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Date)]
        month: NaiveDate,
    }
    let rows: Vec<Row> = sql("SELECT month FROM missing_month_partitions($1::regclass, now() - interval '2 months', 6) AS month")
        .bind::<Text, _>(table)
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(|Row { month }| Missing { table, month }).collect())
}

/// Returns how many rows were moved into it; `None` when another process has made it meanwhile.
async fn make(conn: &mut AsyncPgConnection, missing: &Missing) -> QueryResult<Option<i64>> {
    #[derive(QueryableByName)]
    struct Made {
        #[diesel(sql_type = Nullable<BigInt>)]
        moved: Option<i64>,
    }
    let rows: Vec<Made> = sql("SELECT make_month_partition($1::regclass, $2) AS moved")
        .bind::<Text, _>(missing.table)
        .bind::<Date, _>(missing.month)
        .load(conn)
        .await?;
    Ok(rows.into_iter().next().and_then(|made| made.moved))
}

/// Renews the metrics of the partitions. Returns whether all is well with them.
///
/// # Errors
/// When the database can't be read.
pub async fn publish(conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    let all = figures(conn).await?;
    for figures in &all {
        let table = || figures.table.clone();
        metrics::gauge!("default_partition_used", "table" => table()).set(f64::from(u8::from(figures.is_default_used)));
        metrics::gauge!("partition_months_ahead", "table" => table()).set(figures.months_ahead as f64);
    }
    Ok(all.iter().all(PartitionFigures::is_healthy))
}

/// How the partitions of each table are.
///
/// # Errors
/// When the database can't be read.
pub async fn figures(conn: &mut AsyncPgConnection) -> QueryResult<Vec<PartitionFigures>> {
    let mut all = Vec::new();
    for table in TABLES {
        // What stays of archived months is in the default partition by design.
        let rows: Vec<PartitionFigures> = sql("SELECT $1 AS \"table\", \
               (SELECT coalesce(min(n) - 1, 12) FROM generate_series(1, 12) AS n \
                WHERE month_partition($1::regclass, (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n))::date) IS NULL \
               )::bigint AS months_ahead, \
               EXISTS (SELECT FROM months_in_default_partition($1::regclass) AS d (month) \
                       WHERE NOT ($1 = 'audit_logs' AND EXISTS (SELECT FROM audit_archives a WHERE a.month = d.month))) AS is_default_used, \
               NOT EXISTS (SELECT FROM generate_series(0, 3) AS n \
                           WHERE month_partition($1::regclass, (date_trunc('month', (now() - interval '1 day') AT TIME ZONE 'UTC') \
                                                                + make_interval(months => n))::date) IS NULL) AS is_complete")
        .bind::<Text, _>(table)
        .load(conn)
        .await?;
        all.extend(rows);
    }
    Ok(all)
}

/// Makes partitions at the start of a server. That they can't be made is logged, shows in the
/// health, and stops nothing.
pub async fn ensure_at_start(conn: &mut AsyncPgConnection) {
    let Err(error) = ensure(conn).await else { return };
    tracing::error!(%error, "partitions could not be created: run `{REPAIR_COMMAND}`");
    if let Err(error) = publish(conn).await {
        tracing::error!(%error, "the state of the partitions is not known");
    }
}

/// Updates the metrics of the partitions, and creates partitions every few hours, sooner when
/// something is wrong with them.
pub struct PartitionMaintenance {
    pool: Pool,
    ensured_at: Instant,
}

impl PartitionMaintenance {
    /// Maintenance that begins after [`ensure_at_start`].
    pub fn new(pool: Pool) -> Self {
        Self { pool, ensured_at: Instant::now() }
    }
}

impl PeriodicTask for PartitionMaintenance {
    async fn run(&mut self) -> TaskResult {
        let mut conn = self.pool.get().await?;
        let interval = if publish(&mut conn).await? { INTERVAL } else { RETRY_INTERVAL };
        if self.ensured_at.elapsed() < interval {
            return Ok(String::new());
        }
        let ensured = ensure(&mut conn).await?;
        self.ensured_at = Instant::now();
        anyhow::ensure!(ensured.failures.is_empty(), "{}", ensured.failures.join("; "));
        Ok(format!("{} partitions created, {} rows moved", ensured.made, ensured.moved))
    }
}
