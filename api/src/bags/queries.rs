//! Reads `bags` with their related rows.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

pub use super::list_bags::{BagFilter, count, list, list_sorted};
use super::model::{BagRecord, BagStatus, ChildBag};
use crate::bag_formats::qr_code::QrCode;
use crate::db::sql;

/// Columns of a [`BagRecord`]. Every join is on a primary key, so a bag costs a handful of index
/// probes. The bill of a child is that of its parent (`pb`), and a parent has its own (`ob`). They
/// are joined separately, so that siblings share the rows found for their parent.
pub const SELECT: &str = include_str!("select_bag.sql");

/// The bag with this code.
pub async fn find(conn: &mut AsyncPgConnection, code: &QrCode) -> QueryResult<Option<BagRecord>> {
    let rows: Vec<BagRecord> = sql(SELECT).sql("WHERE b.qr_code = $1").bind::<Text, _>(code).load(conn).await?;
    Ok(rows.into_iter().next())
}

/// Locks the bags with these codes until the transaction ends, in id order, so that transactions
/// that lock bags this way never deadlock. Then reads their current state.
///
/// Two statements are necessary: a join in the locking statement would still see the links from
/// before it waited for the lock.
pub async fn lock(conn: &mut AsyncPgConnection, codes: &[&QrCode]) -> QueryResult<Vec<BagRecord>> {
    let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    sql("SELECT id FROM bags WHERE qr_code = ANY($1) ORDER BY id FOR UPDATE").bind::<Array<Text>, _>(codes.clone()).execute_on(conn).await?;
    sql(SELECT).sql("WHERE b.qr_code = ANY($1)").bind::<Array<Text>, _>(codes).load(conn).await
}

/// Children of a parent in the order they were linked, after the given one.
pub async fn children(conn: &mut AsyncPgConnection, parent_id: i64, after: Option<(DateTime<Utc>, i64)>, limit: i64) -> QueryResult<Vec<ChildBag>> {
    let mut query = sql("SELECT c.qr_code, c.name, f.child_weight_kg::float8 AS weight_kg, l.linked_at, u.username AS linked_by, c.id \
         FROM bag_links l JOIN bags c ON c.id = l.child_id JOIN bag_formats f ON f.id = c.format_id LEFT JOIN users u ON u.id = l.linked_by \
         WHERE l.parent_id = $1")
    .bind::<BigInt, _>(parent_id);
    let limit_placeholder = if let Some((linked_at, id)) = after {
        query = query.sql(" AND (l.linked_at, l.child_id) > ($2, $3)").bind::<Timestamptz, _>(linked_at).bind::<BigInt, _>(id);
        "$4"
    } else {
        "$2"
    };
    query.sql(&format!(" ORDER BY l.linked_at, l.child_id LIMIT {limit_placeholder}")).bind::<BigInt, _>(limit).load(conn).await
}

/// Updates the status, the counts, and whether the last child completed the parent.
pub async fn update_parent(conn: &mut AsyncPgConnection, parent: &BagRecord) -> QueryResult<()> {
    sql("UPDATE bags SET child_count = $2, status = $3::text::bag_status, auto_completed = $4 WHERE id = $1")
        .bind::<BigInt, _>(parent.id.unwrap_or_default())
        .bind::<diesel::sql_types::SmallInt, _>(parent.child_count)
        .bind::<diesel::sql_types::Nullable<Text>, _>(parent.status.map(BagStatus::as_str))
        .bind::<Bool, _>(parent.auto_completed)
        .execute_on(conn)
        .await?;
    Ok(())
}
