//! Indexes that need attention: unused, duplicate, bloated, invalid.

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;

use super::sql;

/// An index that needs attention.
#[derive(Debug, Serialize, ToSchema, QueryableByName)]
pub struct IndexFigures {
    #[schema(example = "bags_dispatch_area_id_idx")]
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub table: String,
    #[diesel(sql_type = BigInt)]
    pub size_bytes: i64,
    /// Number of index scans since the statistics were reset.
    #[diesel(sql_type = BigInt)]
    pub scans: i64,
    #[diesel(sql_type = Bool)]
    pub is_unique: bool,
    /// Estimated empty bytes in the index, computed from the number and width of its entries; null
    /// if they can't be estimated.
    #[schema(required)]
    #[diesel(sql_type = Nullable<BigInt>)]
    pub wasted_bytes: Option<i64>,
    /// The index that makes a duplicate one unnecessary.
    #[schema(required)]
    #[diesel(sql_type = Nullable<Text>)]
    pub covered_by: Option<String>,
    /// `unused`, `duplicate` (another index starts with the same columns), `bloated` (more than
    /// half of it is empty) or `invalid` (in progress, or left half-built).
    #[schema(example = "unused")]
    #[diesel(sql_type = Text)]
    pub finding: String,
}

/// The findings, the largest index first.
///
/// # Errors
/// Fails if the database can't be read.
pub async fn findings(conn: &mut AsyncPgConnection) -> QueryResult<Vec<IndexFigures>> {
    sql(include_str!("index_report.sql")).load(conn).await
}
