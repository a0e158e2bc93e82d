//! The monthly partitions of `scans` and `audit_logs`, made ahead of time.

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::sql;

/// Tables keyed by UUIDv7 and partitioned by its month.
const TABLES: [&str; 2] = ["scans", "audit_logs"];

/// Makes the partitions from two months back (scans come up to 30 days late) to three months ahead, and
/// warns when rows have landed in a default partition: their month's partition was missing.
///
/// # Errors
/// When the database can't be written.
pub async fn ensure(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    #[derive(QueryableByName)]
    struct Used {
        #[diesel(sql_type = Bool)]
        is_used: bool,
    }
    for table in TABLES {
        sql("SELECT ensure_month_partitions($1::regclass, now() - interval '2 months', 6)").bind::<Text, _>(table).execute_on(conn).await?;
        // What is kept of archived months is in there by design.
        let used: Vec<Used> =
            sql(&format!("SELECT EXISTS (SELECT FROM {table}_default WHERE id > uuidv7_floor(now() - interval '60 days')) AS is_used"))
                .load(conn)
                .await?;
        let is_used = used.iter().any(|used| used.is_used);
        metrics::gauge!("default_partition_used", "table" => table).set(f64::from(u8::from(is_used)));
        if is_used {
            tracing::error!(table, "rows have landed in the default partition: a month's partition was missing");
        }
    }
    Ok(())
}
