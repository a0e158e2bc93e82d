//! Reading `bills` with what is on them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{BillNumber, BillRecord, BillStatus, BilledBag};
use crate::db::list::{ListSource, PageOf, count_all};
use crate::db::sql;
use crate::db::sql::{Conditions, Value, cut, escape_like};
use crate::http::page::Sort;
use crate::identity::Caller;

/// Columns of a [`BillRecord`]. Counts and weights are read from the rows each time: they can't drift.
///
/// Bags on the bill are expected with their own capacity and weight per child; those still to come with those of the
/// first parent format.
pub const SELECT: &str = "SELECT b.id, b.bill_number, b.description, b.destination, b.vehicle_number, b.status, b.expected_parent_bags, \
     t.parents AS parent_bag_count, t.children AS child_bag_count, t.weight::float8 AS actual_weight_kg, \
     (t.full_weight + greatest(b.expected_parent_bags - t.parents, 0) * d.weight)::float8 AS expected_weight_kg, \
     u.username AS created_by, b.created_at, b.finished_at, b.version \
     FROM bills b LEFT JOIN users u ON u.id = b.created_by \
     CROSS JOIN LATERAL (SELECT count(*) AS parents, coalesce(sum(p.child_count), 0)::bigint AS children, \
                                coalesce(sum(p.child_count * f.child_weight_kg), 0) AS weight, \
                                coalesce(sum(p.capacity * f.child_weight_kg), 0) AS full_weight \
                         FROM bill_bags bb JOIN bags p ON p.id = bb.bag_id JOIN bag_formats f ON f.id = p.format_id \
                         WHERE bb.bill_id = b.id) AS t \
     CROSS JOIN (SELECT capacity * child_weight_kg AS weight FROM bag_formats WHERE kind = 'parent' ORDER BY priority, id LIMIT 1) AS d ";

/// Narrows to bills with bags of one area.
const OF_AREA: &str = "EXISTS (SELECT FROM bill_bags bb JOIN bags p ON p.id = bb.bag_id WHERE bb.bill_id = b.id AND p.dispatch_area_id = ";

/// The bill with this number, whoever asks.
pub async fn find(conn: &mut AsyncPgConnection, number: &BillNumber) -> QueryResult<Option<BillRecord>> {
    let rows: Vec<BillRecord> = sql(SELECT).sql("WHERE b.bill_number = $1").bind::<Text, _>(number.as_str().to_owned()).load(conn).await?;
    Ok(rows.into_iter().next())
}

/// The bill with this number, if the caller may see it: dispatchers see those with bags of their own area.
pub async fn find_visible(conn: &mut AsyncPgConnection, caller: &Caller, number: &BillNumber) -> QueryResult<Option<BillRecord>> {
    let Some(area) = caller.own_area_only() else { return find(conn, number).await };
    let rows: Vec<BillRecord> = sql(SELECT)
        .sql(&format!("WHERE b.bill_number = $1 AND {OF_AREA}$2)"))
        .bind::<Text, _>(number.as_str().to_owned())
        .bind::<Integer, _>(area)
        .load(conn)
        .await?;
    Ok(rows.into_iter().next())
}

/// Locks the bill until the transaction ends, then reads it as it is. Bills are locked before bags, by everyone.
pub async fn lock(conn: &mut AsyncPgConnection, number: &BillNumber) -> QueryResult<Option<BillRecord>> {
    sql("SELECT id FROM bills WHERE bill_number = $1 FOR UPDATE").bind::<Text, _>(number.as_str().to_owned()).execute_on(conn).await?;
    find(conn, number).await
}

/// Locks every bag of a bill in id order, as everyone locks bags: a scan that is being written into one of them is
/// waited for, and the next one sees what the bill has become.
pub async fn lock_bags(conn: &mut AsyncPgConnection, bill_id: i64) -> QueryResult<usize> {
    sql("SELECT p.id FROM bags p JOIN bill_bags bb ON bb.bag_id = p.id WHERE bb.bill_id = $1 ORDER BY p.id FOR UPDATE OF p")
        .bind::<BigInt, _>(bill_id)
        .execute_on(conn)
        .await
}

/// The dispatch areas with bags on a bill, by id, each with those of `named` that are its own: the
/// audience of an audit entry about the bill. An area whose bags are only named is in it too.
pub async fn codes_by_area<'a>(
    conn: &mut AsyncPgConnection,
    bill_id: i64,
    named: impl IntoIterator<Item = (Option<i32>, &'a str)>,
) -> QueryResult<BTreeMap<i32, Vec<String>>> {
    #[derive(QueryableByName)]
    struct Area {
        #[diesel(sql_type = Integer)]
        id: i32,
    }
    let areas: Vec<Area> = sql("SELECT DISTINCT p.dispatch_area_id AS id FROM bill_bags bb JOIN bags p ON p.id = bb.bag_id \
         WHERE bb.bill_id = $1 AND p.dispatch_area_id IS NOT NULL")
    .bind::<BigInt, _>(bill_id)
    .load(conn)
    .await?;
    let mut codes: BTreeMap<i32, Vec<String>> = areas.into_iter().map(|area| (area.id, Vec::new())).collect();
    for (area_id, code) in named {
        if let Some(area_id) = area_id {
            codes.entry(area_id).or_default().push(code.to_owned());
        }
    }
    Ok(codes)
}

/// What a list of bills is narrowed to.
#[derive(Debug, Default)]
pub struct BillFilter {
    /// Part of the number, destination or vehicle number.
    pub q: Option<String>,
    pub status: Option<BillStatus>,
    pub created_by: Option<i64>,
    /// With bags of this area.
    pub area_id: Option<i32>,
    pub created_after: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
}

/// Bills, newest first, that were made before the one with id `before`.
pub async fn list(conn: &mut AsyncPgConnection, filter: &BillFilter, before: Option<i64>, limit: i64) -> QueryResult<Vec<BillRecord>> {
    list_sorted(conn, filter, Sort::Newest, before, limit).await
}

/// As [`list`], in either order; `cursor` is the last one seen.
pub async fn list_sorted(
    conn: &mut AsyncPgConnection,
    filter: &BillFilter,
    sort: Sort,
    cursor: Option<i64>,
    wanted: i64,
) -> QueryResult<Vec<BillRecord>> {
    let (direction, _) = sort.sql();
    let page = PageOf { select: SELECT, column: "b.id", direction, limit: wanted, has_limit_in_text: true };
    let statement = page.statement(filter.conditions(), cursor.map(Value::BigInt));
    Ok(cut(statement.load(conn).await?, wanted))
}

/// The number of bills that match a filter.
pub async fn count(conn: &mut AsyncPgConnection, filter: &BillFilter) -> QueryResult<i64> {
    count_all(conn, BillFilter::FROM, filter.conditions()).await
}

impl ListSource for BillFilter {
    type Row = BillRecord;
    type Key = i64;

    const FROM: &'static str = "FROM bills b";

    fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::default();
        if let Some(q) = &self.q {
            let columns = "(b.bill_number ILIKE $ OR b.destination ILIKE $ OR b.vehicle_number ILIKE $)";
            conditions.and_with(columns, Value::Text(format!("%{}%", escape_like(q))));
        }
        if let Some(status) = self.status {
            conditions.and(&format!("b.status = '{status}'"));
        }
        if let Some(created_by) = self.created_by {
            conditions.and_with("b.created_by = $", Value::BigInt(created_by));
        }
        if let Some(area_id) = self.area_id {
            conditions.and_with(&format!("{OF_AREA}$)"), Value::Integer(area_id));
        }
        if let Some(after) = self.created_after {
            conditions.and_with("b.created_at >= $", Value::Time(after));
        }
        if let Some(before) = self.created_before {
            conditions.and_with("b.created_at < $", Value::Time(before));
        }
        conditions
    }

    fn key(row: &BillRecord) -> i64 {
        row.id
    }

    async fn page(&self, conn: &mut AsyncPgConnection, after: Option<i64>, limit: i64) -> QueryResult<Vec<BillRecord>> {
        list(conn, self, after, limit).await
    }
}

/// Parents on a bill by id, after the given one; of one area only, if asked.
pub async fn bags(conn: &mut AsyncPgConnection, bill_id: i64, area_id: Option<i32>, after: Option<i64>, limit: i64) -> QueryResult<Vec<BilledBag>> {
    let mut query =
        sql("SELECT p.id, p.qr_code, f.name AS format, p.status, p.child_count::integer AS child_count, p.capacity::integer AS capacity, \
                (p.child_count * f.child_weight_kg)::float8 AS weight_kg, a.code AS dispatch_area, bb.created_at AS added_at, u.username AS added_by \
         FROM bill_bags bb JOIN bags p ON p.id = bb.bag_id JOIN bag_formats f ON f.id = p.format_id \
         LEFT JOIN dispatch_areas a ON a.id = p.dispatch_area_id LEFT JOIN users u ON u.id = bb.added_by \
         WHERE bb.bill_id = $1 AND bb.bag_id > $2")
        .bind::<BigInt, _>(bill_id)
        .bind::<BigInt, _>(after.unwrap_or(0));
    let limit_place = if let Some(area_id) = area_id {
        query = query.sql(" AND p.dispatch_area_id = $3").bind::<Integer, _>(area_id);
        "$4"
    } else {
        "$3"
    };
    query.sql(&format!(" ORDER BY bb.bag_id LIMIT {limit_place}")).bind::<BigInt, _>(limit).load(conn).await
}
