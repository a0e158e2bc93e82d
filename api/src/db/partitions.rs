//! The monthly partitions of `scans` and `audit_logs`, made ahead of time.

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;

use super::sql;

/// Tables keyed by UUIDv7 and partitioned by its month.
const TABLES: [&str; 2] = ["scans", "audit_logs"];
/// With fewer months ahead than this, something keeps them from being made.
const LEAST_MONTHS_AHEAD: i64 = 1;

/// How the partitions of a table are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, QueryableByName)]
pub struct PartitionFigures {
    #[schema(example = "scans")]
    #[diesel(sql_type = Text)]
    pub table: String,
    /// Months, one after the other, that have their partition before they begin.
    #[schema(example = 3)]
    #[diesel(sql_type = BigInt)]
    pub months_ahead: i64,
    /// Rows of the last 60 days are in the partition for all others: a month's was missing.
    #[diesel(sql_type = Bool)]
    pub is_default_used: bool,
}

impl PartitionFigures {
    /// Is every row in the partition of its month, and will be next month?
    pub fn is_healthy(&self) -> bool {
        !self.is_default_used && self.months_ahead >= LEAST_MONTHS_AHEAD
    }
}

/// Makes the partitions from two months back (scans come up to 30 days late) to three months ahead, and
/// warns when rows have landed in a default partition: their month's partition was missing. Returns how many were made.
///
/// # Errors
/// When the database can't be written.
pub async fn ensure(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Made {
        #[diesel(sql_type = BigInt)]
        made: i64,
    }
    let mut made = 0;
    for table in TABLES {
        let rows: Vec<Made> = sql("SELECT ensure_month_partitions($1::regclass, now() - interval '2 months', 6)::bigint AS made")
            .bind::<Text, _>(table)
            .load(conn)
            .await?;
        made += rows.iter().map(|row| row.made).sum::<i64>();
    }
    for figures in figures(conn).await? {
        metrics::gauge!("default_partition_used", "table" => figures.table.clone()).set(f64::from(u8::from(figures.is_default_used)));
        metrics::gauge!("partition_months_ahead", "table" => figures.table.clone()).set(figures.months_ahead as f64);
        if figures.is_default_used {
            tracing::error!(table = figures.table, "rows have landed in the default partition: a month's partition was missing");
        }
    }
    Ok(made)
}

/// How the partitions of each table are.
///
/// # Errors
/// When the database can't be read.
pub async fn figures(conn: &mut AsyncPgConnection) -> QueryResult<Vec<PartitionFigures>> {
    let mut all = Vec::new();
    for table in TABLES {
        // What is kept of archived months is in the default partition by design.
        let rows: Vec<PartitionFigures> = sql(&format!(
            "SELECT '{table}' AS \"table\", \
               (SELECT coalesce(min(n) - 1, 12) FROM generate_series(1, 12) AS n \
                WHERE to_regclass('{table}_' || to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n), 'YYYY_MM')) IS NULL \
               )::bigint AS months_ahead, \
               EXISTS (SELECT FROM {table}_default WHERE id > uuidv7_floor(now() - interval '60 days')) AS is_default_used"
        ))
        .load(conn)
        .await?;
        all.extend(rows);
    }
    Ok(all)
}
