//! Lists of bags: filters, each with the index that answers it, and what to do where no index can.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Integer, Nullable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{BagKind, BagRecord, BagStatus};
use super::queries::SELECT;
use crate::db::sql;
use crate::db::sql::{Conditions, Counted, Sql, Value, escape_like};
use crate::http::page::Sort;

/// Bags at the beginning of the list that are looked at for a part of a code before any index is.
const WINDOW: i64 = 2_000;
/// Bags with a part in their codes that are fetched through the index of parts. With more of them, walking along the list
/// comes upon a page of them sooner: at 1.8 million bags both take some 7 ms then.
const FEW: i64 = 2_000;

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

impl BagFilter {
    /// The part of the code as codes are written; none when there is nothing to look for.
    fn part(&self) -> Option<String> {
        self.q.as_deref().map(|q| q.trim().to_ascii_uppercase()).filter(|part| !part.is_empty())
    }

    /// Only parents can match.
    fn is_for_parents(&self) -> bool {
        self.kind == Some(BagKind::Parent) || self.status.is_some()
    }

    /// `FROM` with no more than the filters look at.
    fn from(&self) -> &'static str {
        match (self.billed, self.linked) {
            (None, None) => "FROM bags b",
            (None, Some(_)) => "FROM bags b LEFT JOIN bag_links l ON l.child_id = b.id",
            // A parent is in no other.
            (Some(_), None) if self.is_for_parents() => "FROM bags b LEFT JOIN bill_bags bb ON bb.bag_id = b.id",
            (Some(_), _) => {
                "FROM bags b LEFT JOIN bag_links l ON l.child_id = b.id LEFT JOIN bill_bags bb ON bb.bag_id = coalesce(l.parent_id, b.id)"
            }
        }
    }

    /// All filters but the part of the code. Written so that the planner sees which index serves: a parameter in place
    /// of `'parent'`, or `(l.child_id IS NOT NULL) = $1`, would hide it.
    fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::default();
        if let Some(kind) = self.kind {
            conditions.and(&format!("b.kind = '{kind}'"));
        }
        if let Some(status) = self.status {
            conditions.and(&format!("b.kind = 'parent' AND b.status = '{status}'"));
        }
        if let Some(area_id) = self.area_id {
            conditions.and_with("b.dispatch_area_id = $", Value::Integer(area_id));
        }
        match self.linked {
            Some(true) => conditions.and("l.child_id IS NOT NULL"),
            Some(false) => conditions.and("l.child_id IS NULL"),
            None => {}
        }
        match self.billed {
            Some(true) => conditions.and("bb.bag_id IS NOT NULL"),
            Some(false) => conditions.and("bb.bag_id IS NULL"),
            None => {}
        }
        // Times are ranges of ids, six hours wider at each end: no transaction that makes bags runs longer.
        if let Some(after) = self.created_after {
            conditions.and_with("b.created_at >= $ AND b.id >= (SELECT bags_made_since($ - interval '6 hours'))", Value::Time(after));
        }
        if let Some(before) = self.created_before {
            conditions.and_with("b.created_at < $ AND b.id < (SELECT bags_made_since($ + interval '6 hours'))", Value::Time(before));
        }
        conditions
    }
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
    let (direction, comparison) = sort.sql();
    let mut conditions = filter.conditions();
    if let Some(cursor) = cursor {
        conditions.and_with(&format!("b.id {comparison} $"), Value::BigInt(cursor));
    }
    let limit = conditions.place(Value::BigInt(limit));
    let (from, narrowed) = (filter.from(), conditions.text().to_owned());
    let found = match filter.part() {
        Some(part) => with_part(&mut conditions, from, &narrowed, &part, direction, &limit),
        None if filter.billed.is_none() && filter.linked.is_none() => {
            return conditions.statement(&format!("{SELECT} WHERE true{narrowed} ORDER BY b.id {direction} LIMIT {limit}")).load(conn).await;
        }
        None => format!("WITH found AS MATERIALIZED (SELECT b.id {from} WHERE true{narrowed} ORDER BY b.id {direction} LIMIT {limit}) "),
    };
    // Through an array: of a subquery the planner would expect half the table.
    let statement = format!("{found}{SELECT} WHERE b.id = ANY(ARRAY(SELECT id FROM found)) ORDER BY b.id {direction}");
    conditions.statement(&statement).load(conn).await
}

/// Bags with a part in their codes, as `found`, whether they are frequent or rare. Three steps, each only when the one
/// before was not enough: the beginning of the list; all of them by the index of parts, when they are few; or as far
/// along the list as a page of them takes, when they are many.
fn with_part(conditions: &mut Conditions, from: &str, narrowed: &str, part: &str, direction: &str, limit: &str) -> String {
    let raw = conditions.place(Value::Text(part.to_owned()));
    let pattern = conditions.place(Value::Text(pattern(part)));
    format!(
        "WITH newest AS MATERIALIZED ( \
           SELECT w.id FROM (SELECT b.id, b.qr_code {from} WHERE true{narrowed} ORDER BY b.id {direction} LIMIT {WINDOW}) AS w \
           WHERE w.qr_code LIKE {pattern} LIMIT {limit}), \
         few AS MATERIALIZED (SELECT f.id FROM bags_with_code_part({raw}, {FEW} + 1) AS f (id) WHERE (SELECT count(*) FROM newest) < {limit}), \
         found AS MATERIALIZED ( \
           SELECT n.id FROM newest n WHERE (SELECT count(*) FROM newest) >= {limit} \
           UNION ALL \
           (SELECT b.id {from} WHERE b.id = ANY(ARRAY(SELECT id FROM few)) AND (SELECT count(*) FROM few) <= {FEW}{narrowed} \
            ORDER BY b.id {direction} LIMIT {limit}) \
           UNION ALL \
           (SELECT b.id {from} WHERE b.qr_code LIKE {pattern} AND (SELECT count(*) FROM few) > {FEW}{narrowed} \
            ORDER BY b.id {direction} LIMIT {limit})) "
    )
}

/// The index of parts needs three characters; shorter terms are looked up as a beginning of the code.
fn pattern(part: &str) -> String {
    let escaped = escape_like(part);
    if part.chars().count() < 3 { format!("{escaped}%") } else { format!("%{escaped}%") }
}

/// How many there are of a filter.
pub async fn count(conn: &mut AsyncPgConnection, filter: &BagFilter) -> QueryResult<i64> {
    let is_counted = filter.part().is_none() && filter.billed.is_none() && filter.linked.is_none();
    let rows: Vec<Counted> = if is_counted && filter.created_after.is_none() && filter.created_before.is_none() {
        // Kept by triggers, whatever the number of bags.
        let metrics = match (filter.kind, filter.status) {
            (Some(BagKind::Child), Some(_)) => return Ok(0),
            (_, Some(status)) => format!("metric = 'bags_parent_{status}'"),
            (Some(BagKind::Parent), None) => "metric LIKE 'bags\\_parent\\_%'".to_owned(),
            (Some(BagKind::Child), None) => "metric = 'bags_child'".to_owned(),
            (None, None) => "metric LIKE 'bags\\_%'".to_owned(),
        };
        // Area 0 holds those that have none, which no filter asks for.
        sql(&format!(
            "SELECT coalesce(sum(value), 0)::bigint AS n FROM stat_counters WHERE {metrics} AND ($1 IS NULL OR area_id = $1 AND area_id <> 0)"
        ))
        .bind::<Nullable<Integer>, _>(filter.area_id)
        .load(conn)
        .await?
    } else {
        let (query, _places) = narrowed(&format!("SELECT count(*) AS n {} ", filter.from()), filter, None);
        query.load(conn).await?
    };
    Ok(rows.into_iter().next().map_or(0, |row| row.n))
}

/// The bags of a filter, read by `select` (which is [`SELECT`], or has it inside), with the number of values bound.
pub fn narrowed(select: &str, filter: &BagFilter, before: Option<i64>) -> (Sql<'static>, usize) {
    let mut conditions = filter.conditions();
    if let Some(part) = filter.part() {
        // In the index's collation, where it can serve.
        let collated = if part.chars().count() < 3 { "b.qr_code" } else { "b.qr_code COLLATE \"default\"" };
        conditions.and_with(&format!("{collated} LIKE $"), Value::Text(pattern(&part)));
    }
    if let Some(before) = before {
        conditions.and_with("b.id < $", Value::BigInt(before));
    }
    let (text, places) = (format!("{select} WHERE true{}", conditions.text()), conditions.places());
    (conditions.statement(&text), places)
}
