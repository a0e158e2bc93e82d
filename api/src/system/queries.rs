//! What PostgreSQL knows of itself.

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Double, Nullable, Text};
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
    /// Share of blocks that were found in memory, since the statistics began.
    #[schema(required, example = 0.99)]
    #[diesel(sql_type = Nullable<Double>)]
    pub cache_hit_ratio: Option<f64>,
    #[diesel(sql_type = BigInt)]
    pub deadlocks: i64,
}

/// A table, its partitions added up.
#[derive(Debug, Serialize, ToSchema, QueryableByName)]
pub struct TableFigures {
    #[schema(example = "scans")]
    #[diesel(sql_type = Text)]
    pub name: String,
    /// An estimate.
    #[diesel(sql_type = BigInt)]
    pub rows: i64,
    /// With indexes.
    #[diesel(sql_type = BigInt)]
    pub size_bytes: i64,
    #[diesel(sql_type = BigInt)]
    pub index_bytes: i64,
    /// Rows that vacuum has yet to clear away.
    #[diesel(sql_type = BigInt)]
    pub dead_rows: i64,
}

/// An index worth a look.
#[derive(Debug, Serialize, ToSchema, QueryableByName)]
pub struct IndexFigures {
    #[schema(example = "bags_kind_status_idx")]
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub table: String,
    #[diesel(sql_type = BigInt)]
    pub size_bytes: i64,
    /// Times it was used since the statistics began.
    #[diesel(sql_type = BigInt)]
    pub scans: i64,
    #[diesel(sql_type = Bool)]
    pub is_unique: bool,
    /// `unused`, `duplicate` (another has the same columns) or `invalid` (being built, or left half-built).
    #[schema(example = "unused")]
    #[diesel(sql_type = Text)]
    pub finding: String,
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

/// Indexes that are unused, duplicate or invalid.
pub async fn index_findings(conn: &mut AsyncPgConnection) -> QueryResult<Vec<IndexFigures>> {
    sql("WITH indexes AS ( \
           SELECT c.relname::text AS name, t.relname::text AS \"table\", pg_relation_size(c.oid) AS size_bytes, coalesce(s.idx_scan, 0) AS scans, \
                  i.indisunique AS is_unique, i.indisvalid AS is_valid, i.indexrelid, i.indrelid, \
                  i.indkey::text || ' ' || i.indclass::text || ' ' || coalesce(pg_get_expr(i.indexprs, i.indrelid), '') || ' ' || \
                  coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS shape \
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
           JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public' LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid \
           WHERE t.relkind = 'r'), \
         found AS ( \
           SELECT x.*, CASE WHEN NOT x.is_valid THEN 'invalid' \
             WHEN EXISTS (SELECT FROM indexes o WHERE o.indrelid = x.indrelid AND o.shape = x.shape AND o.indexrelid < x.indexrelid) THEN 'duplicate' \
             WHEN x.scans = 0 AND NOT x.is_unique AND x.size_bytes > 1048576 THEN 'unused' END AS finding FROM indexes x) \
         SELECT name, \"table\", size_bytes, scans, is_unique, finding FROM found WHERE finding IS NOT NULL ORDER BY size_bytes DESC LIMIT 50")
    .load(conn)
    .await
}

/// Jobs by kind and status.
pub async fn jobs(conn: &mut AsyncPgConnection) -> QueryResult<Vec<JobFigures>> {
    sql("SELECT kind, status::text AS status, count(*) AS count FROM jobs GROUP BY 1, 2 ORDER BY 1, 2").load(conn).await
}
