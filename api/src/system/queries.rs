//! Statistics that PostgreSQL collects about itself.

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Double, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::sql;

/// The database as a whole.
#[derive(Debug, Serialize, ToSchema, QueryableByName)]
pub struct DatabaseFigures {
    #[schema(example = "15.18")]
    #[diesel(sql_type = Text)]
    pub server_version: String,
    #[diesel(sql_type = BigInt)]
    pub size_bytes: i64,
    #[diesel(sql_type = BigInt)]
    pub connections: i64,
    #[diesel(sql_type = BigInt)]
    pub max_connections: i64,
    /// Share of block reads served from memory, since the statistics were reset.
    #[schema(required, example = 0.99)]
    #[diesel(sql_type = Nullable<Double>)]
    pub cache_hit_ratio: Option<f64>,
    #[diesel(sql_type = BigInt)]
    pub deadlocks: i64,
}

/// A table, including its partitions.
#[derive(Debug, Serialize, ToSchema, QueryableByName)]
pub struct TableFigures {
    #[schema(example = "scans")]
    #[diesel(sql_type = Text)]
    pub name: String,
    /// An estimate.
    #[diesel(sql_type = BigInt)]
    pub rows: i64,
    /// Including indexes.
    #[diesel(sql_type = BigInt)]
    pub size_bytes: i64,
    #[diesel(sql_type = BigInt)]
    pub index_bytes: i64,
    /// Rows that vacuum has not yet removed.
    #[diesel(sql_type = BigInt)]
    pub dead_rows: i64,
}

/// Jobs by kind and status.
#[derive(Debug, Serialize, ToSchema, QueryableByName)]
pub struct JobFigures {
    #[schema(example = "email")]
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[schema(example = "queued")]
    #[diesel(sql_type = Text)]
    pub status: String,
    #[diesel(sql_type = BigInt)]
    pub count: i64,
}

/// The database as a whole.
pub async fn database(conn: &mut AsyncPgConnection) -> QueryResult<Option<DatabaseFigures>> {
    let rows: Vec<DatabaseFigures> =
        sql("SELECT current_setting('server_version') AS server_version, pg_database_size(current_database()) AS size_bytes, \
           numbackends::bigint AS connections, current_setting('max_connections')::bigint AS max_connections, \
           CASE WHEN blks_hit + blks_read > 0 THEN round(blks_hit::numeric / (blks_hit + blks_read), 4)::float8 END AS cache_hit_ratio, deadlocks \
         FROM pg_stat_database WHERE datname = current_database()")
        .load(conn)
        .await?;
    Ok(rows.into_iter().next())
}

/// The largest tables.
pub async fn largest_tables(conn: &mut AsyncPgConnection) -> QueryResult<Vec<TableFigures>> {
    sql("SELECT coalesce(parent.relname, c.relname)::text AS name, sum(greatest(c.reltuples, 0))::bigint AS rows, \
                sum(pg_total_relation_size(c.oid))::bigint AS size_bytes, sum(pg_indexes_size(c.oid))::bigint AS index_bytes, \
                sum(coalesce(s.n_dead_tup, 0))::bigint AS dead_rows \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public' \
         LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent \
         LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid \
         WHERE c.relkind = 'r' GROUP BY 1 ORDER BY 3 DESC LIMIT 15")
    .load(conn)
    .await
}

/// Jobs by kind and status.
pub async fn jobs(conn: &mut AsyncPgConnection) -> QueryResult<Vec<JobFigures>> {
    sql("SELECT kind, status::text AS status, count(*) AS count FROM jobs GROUP BY 1, 2 ORDER BY 1, 2").load(conn).await
}
