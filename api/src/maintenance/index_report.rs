//! Indexes worth a look: unused, duplicate, bloated, invalid.

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::sql;

/// An index worth a look.
#[derive(Debug, Serialize, ToSchema, QueryableByName)]
pub struct IndexFigures {
    #[schema(example = "bags_dispatch_area_id_idx")]
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
    /// Bytes of it that are empty, estimated from the number and width of its entries; null where that can't be told.
    #[schema(required)]
    #[diesel(sql_type = Nullable<BigInt>)]
    pub wasted_bytes: Option<i64>,
    /// The index that does the work of a duplicate one.
    #[schema(required)]
    #[diesel(sql_type = Nullable<Text>)]
    pub covered_by: Option<String>,
    /// `unused`, `duplicate` (another begins with the same columns), `bloated` (more than half of it is empty) or `invalid`
    /// (being built, or left half-built).
    #[schema(example = "unused")]
    #[diesel(sql_type = Text)]
    pub finding: String,
}

/// The largest first.
///
/// # Errors
/// When the database can't be read.
pub async fn findings(conn: &mut AsyncPgConnection) -> QueryResult<Vec<IndexFigures>> {
    sql(include_str!("index_report.sql")).load(conn).await
}
