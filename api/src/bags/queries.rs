//! Reading `bags` with what belongs to them.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{BagKind, BagRecord, BagStatus, ChildBag};
use super::qr_code::QrCode;
use crate::db::sql;
use crate::db::sql::Counted;
use crate::db::sql::{Sql, escape_like};
use crate::http::page::Sort;

/// Columns of a [`BagRecord`]. Every join is on a primary key, so a bag costs a handful of index probes.
pub const SELECT: &str = include_str!("select_bag.sql");

/// The bag with this code.
pub async fn find(conn: &mut AsyncPgConnection, code: &QrCode) -> QueryResult<Option<BagRecord>> {
    let rows: Vec<BagRecord> = sql(SELECT).sql("WHERE b.qr_code = $1").bind::<Text, _>(code).load(conn).await?;
    Ok(rows.into_iter().next())
}

/// Locks the bags with these codes until the transaction ends, in id order, so that nobody who locks bags this
/// way ever waits for another in a circle; then reads them as they are now.
///
/// Two statements: a join in the locking one would still see links as they were before it waited for the lock.
pub async fn lock(conn: &mut AsyncPgConnection, codes: &[&QrCode]) -> QueryResult<Vec<BagRecord>> {
    let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    sql("SELECT id FROM bags WHERE qr_code = ANY($1) ORDER BY id FOR UPDATE").bind::<Array<Text>, _>(codes.clone()).execute_on(conn).await?;
    sql(SELECT).sql("WHERE b.qr_code = ANY($1)").bind::<Array<Text>, _>(codes).load(conn).await
}

/// What a list of bags is narrowed to.
#[derive(Debug, Default)]
pub struct BagFilter {
    /// Part of the code.
    pub q: Option<String>,
    pub kind: Option<BagKind>,
    pub status: Option<BagStatus>,
    pub area_id: Option<i32>,
    /// On a bill or not.
    pub billed: Option<bool>,
    /// In a parent or not.
    pub linked: Option<bool>,
    pub created_after: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
}

/// Bags, newest first, that were made before the one with id `before`.
pub async fn list(conn: &mut AsyncPgConnection, filter: &BagFilter, before: Option<i64>, limit: i64) -> QueryResult<Vec<BagRecord>> {
    list_sorted(conn, filter, Sort::Newest, before, limit).await
}

/// As [`list`], in either order; `cursor` is the last one seen.
pub async fn list_sorted(
    conn: &mut AsyncPgConnection,
    filter: &BagFilter,
    sort: Sort,
    cursor: Option<i64>,
    limit: i64,
) -> QueryResult<Vec<BagRecord>> {
    let (mut query, mut places) = narrowed(SELECT, filter, None);
    let (direction, comparison) = sort.sql();
    if let Some(cursor) = cursor {
        places += 1;
        query = query.sql(&format!(" AND b.id {comparison} ${places}")).bind::<BigInt, _>(cursor);
    }
    let query = query.sql(&format!(" ORDER BY b.id {direction} LIMIT ${}", places + 1)).bind::<BigInt, _>(limit);
    query.load(conn).await
}

/// How many there are of a filter.
pub async fn count(conn: &mut AsyncPgConnection, filter: &BagFilter) -> QueryResult<i64> {
    let (query, _places) = narrowed(
        "SELECT count(*) AS n FROM bags b LEFT JOIN bag_links l ON l.child_id = b.id LEFT JOIN bill_bags bb ON bb.bag_id = coalesce(l.parent_id, b.id) ",
        filter,
        None,
    );
    let rows: Vec<Counted> = query.load(conn).await?;
    Ok(rows.into_iter().next().map_or(0, |row| row.n))
}

/// The bags of a filter, read by `select` (which is [`SELECT`], or has it inside), with the number of values bound.
pub fn narrowed(select: &str, filter: &BagFilter, before: Option<i64>) -> (Sql<'static>, usize) {
    let mut query = sql(select).sql("WHERE true");
    let mut place = 0;
    let mut next_place = || {
        place += 1;
        place
    };
    if let Some(q) = &filter.q {
        // The trigram index needs three characters; shorter terms are looked up as a beginning of the code.
        let q = escape_like(&q.trim().to_ascii_uppercase());
        let pattern = if q.chars().count() < 3 { format!("{q}%") } else { format!("%{q}%") };
        query = query.sql(&format!(" AND b.qr_code LIKE ${}", next_place())).bind::<Text, _>(pattern);
    }
    if let Some(kind) = filter.kind {
        query = query.sql(&format!(" AND b.kind = '{kind}'"));
    }
    if let Some(status) = filter.status {
        // Only parents have a status; saying so lets the (kind, status, id) index serve.
        query = query.sql(&format!(" AND b.kind = 'parent' AND b.status = '{status}'"));
    }
    if let Some(area_id) = filter.area_id {
        query = query.sql(&format!(" AND b.dispatch_area_id = ${}", next_place())).bind::<Integer, _>(area_id);
    }
    if let Some(billed) = filter.billed {
        query = query.sql(&format!(" AND (bb.bill_id IS NOT NULL) = ${}", next_place())).bind::<Bool, _>(billed);
    }
    if let Some(linked) = filter.linked {
        query = query.sql(&format!(" AND (l.parent_id IS NOT NULL) = ${}", next_place())).bind::<Bool, _>(linked);
    }
    if let Some(after) = filter.created_after {
        query = query.sql(&format!(" AND b.created_at >= ${}", next_place())).bind::<Timestamptz, _>(after);
    }
    if let Some(before) = filter.created_before {
        query = query.sql(&format!(" AND b.created_at < ${}", next_place())).bind::<Timestamptz, _>(before);
    }
    if let Some(before) = before {
        query = query.sql(&format!(" AND b.id < ${}", next_place())).bind::<BigInt, _>(before);
    }
    (query, place)
}

/// Children of a parent in the order they were linked, after the given one.
pub async fn children(conn: &mut AsyncPgConnection, parent_id: i64, after: Option<(DateTime<Utc>, i64)>, limit: i64) -> QueryResult<Vec<ChildBag>> {
    let mut query = sql("SELECT c.qr_code, c.name, f.child_weight_kg::float8 AS weight_kg, l.linked_at, u.username AS linked_by, c.id \
         FROM bag_links l JOIN bags c ON c.id = l.child_id JOIN bag_formats f ON f.id = c.format_id LEFT JOIN users u ON u.id = l.linked_by \
         WHERE l.parent_id = $1")
    .bind::<BigInt, _>(parent_id);
    let limit_place = if let Some((linked_at, id)) = after {
        query = query.sql(" AND (l.linked_at, l.child_id) > ($2, $3)").bind::<Timestamptz, _>(linked_at).bind::<BigInt, _>(id);
        "$4"
    } else {
        "$2"
    };
    query.sql(&format!(" ORDER BY l.linked_at, l.child_id LIMIT {limit_place}")).bind::<BigInt, _>(limit).load(conn).await
}

/// Writes status, counts and whether the last child completed it.
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
