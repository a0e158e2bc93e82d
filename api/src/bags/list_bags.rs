//! Lists of bags: the filters, the index that serves each, and the fallback where no index can.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Integer, Nullable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{BagRecord, BagStatus};
use super::queries::SELECT;
use crate::bag_formats::kind::BagKind;
use crate::db::list::ListSource;
use crate::db::sql;
use crate::db::sql::{Conditions, Counted, Value, cut, escape_like, limit_in_text};
use crate::http::page::Sort;

/// Number of bags at the start of the list that are searched for a part of a code before any index
/// is used.
const WINDOW: i64 = 1_000;
/// Maximum number of bags that are fetched through the index of code parts. With more matches,
/// scanning the list finds a page of them sooner: at 1.8 million bags, both take about 7 ms at this
/// number.
const FEW: i64 = 2_000;

/// The filters of a list of bags.
#[derive(Debug, Default)]
pub struct BagFilter {
    /// Part of the code.
    pub q: Option<String>,
    pub kind: Option<BagKind>,
    pub status: Option<BagStatus>,
    pub area_id: Option<i32>,
    /// Whether the bag is on a bill.
    pub billed: Option<bool>,
    /// Whether the bag is in a parent.
    pub linked: Option<bool>,
    pub created_after: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
}

impl BagFilter {
    /// The part of the code in the form of stored codes; `None` if it is empty.
    fn part(&self) -> Option<String> {
        self.q.as_deref().map(|q| q.trim().to_ascii_uppercase()).filter(|part| !part.is_empty())
    }

    /// Adds the condition on the part of the code, in the form that the index of code parts
    /// supports where it can serve.
    fn look_for_part(&self, conditions: &mut Conditions) {
        if let Some(part) = self.part() {
            let collated = if part.chars().count() < 3 { "b.qr_code" } else { "b.qr_code COLLATE \"default\"" };
            conditions.and_with(&format!("{collated} LIKE $"), Value::Text(pattern(&part)));
        }
    }

    /// Adds the condition on the area.
    fn look_in_area(&self, conditions: &mut Conditions) {
        if let Some(area_id) = self.area_id {
            conditions.and_with("b.dispatch_area_id = $", Value::Integer(area_id));
        }
    }

    /// Like [`Self::look_in_area`], but with an order that only an index that starts with the area
    /// provides. For an equality, the planner would drop the area from the order and scan the bags
    /// of all areas by id, which takes very long if the bags of the area are rare or old.
    fn look_along_area(&self, conditions: &mut Conditions, sort: Sort) -> String {
        let (direction, _) = sort.sql();
        let Some(area_id) = self.area_id else { return format!("b.id {direction}") };
        conditions.and_with("b.dispatch_area_id BETWEEN $ AND $", Value::Integer(area_id));
        let (opposite, _) = sort.reversed().sql();
        format!("b.dispatch_area_id {opposite}, b.id {direction}")
    }

    /// The disjoint parts of the list that together form the result. Each part can be read in the
    /// order of its ids. A single query for all parts would have to scan and check every bag.
    fn parts(&self, sort: Sort) -> Vec<&'static str> {
        let may_be_parents = self.kind != Some(BagKind::Child) && self.linked != Some(true);
        let may_be_children = self.kind != Some(BagKind::Parent) && self.status.is_none();
        let may_be_linked = may_be_children && self.linked != Some(false);
        let may_be_loose = may_be_children && self.linked != Some(true);
        let parts = match (self.billed, self.linked) {
            (None, None) => vec![(true, "bags b WHERE true")],
            (None, Some(true)) => vec![(may_be_linked, "bags b JOIN bag_links l ON l.child_id = b.id WHERE true")],
            (None, Some(false)) => {
                vec![(may_be_parents, "bags b WHERE b.kind = 'parent'"), (may_be_loose, "bags b WHERE b.kind = 'child' AND b.is_loose")]
            }
            (Some(true), _) => vec![
                (may_be_parents, "bags b JOIN bill_bags bb ON bb.bag_id = b.id WHERE b.kind = 'parent'"),
                (may_be_linked, "bags b JOIN bag_links l ON l.child_id = b.id JOIN bill_bags bb ON bb.bag_id = l.parent_id WHERE b.kind = 'child'"),
            ],
            (Some(false), _) => vec![
                (may_be_parents, "bags b LEFT JOIN bill_bags bb ON bb.bag_id = b.id WHERE b.kind = 'parent' AND bb.bag_id IS NULL"),
                (may_be_loose, "bags b WHERE b.kind = 'child' AND b.is_loose"),
                // Bags that are on no bill yet are new. A scan from the newest bag finds them soon,
                // but a scan from the oldest does not, so the oldest are found through their
                // parents. OFFSET 0 keeps the planner from starting at the other end.
                match sort {
                    Sort::Newest => (
                        may_be_linked,
                        "bags b JOIN bag_links l ON l.child_id = b.id LEFT JOIN bill_bags bb ON bb.bag_id = l.parent_id \
                         WHERE b.kind = 'child' AND bb.bag_id IS NULL",
                    ),
                    Sort::Oldest => (
                        may_be_linked,
                        "(SELECT p.id FROM bags p LEFT JOIN bill_bags bb ON bb.bag_id = p.id WHERE p.kind = 'parent' AND bb.bag_id IS NULL OFFSET 0) AS u \
                         CROSS JOIN LATERAL (SELECT l.child_id FROM bag_links l WHERE l.parent_id = u.id OFFSET 0) AS c \
                         CROSS JOIN LATERAL (SELECT * FROM bags WHERE id = c.child_id OFFSET 0) AS b WHERE b.kind = 'child'",
                    ),
                },
            ],
        };
        parts.into_iter().filter(|(is_possible, _)| *is_possible).map(|(_, part)| part).collect()
    }

    /// All other filters except the part of the code and the area. Values are inlined instead of
    /// bound where the planner must see them to choose an index.
    fn bag_conditions(&self, is_next_page: bool) -> Conditions {
        let mut conditions = Conditions::default();
        if let Some(kind) = self.kind {
            conditions.and(&format!("b.kind = '{kind}'"));
        }
        if let Some(status) = self.status {
            conditions.and(&format!("b.kind = 'parent' AND b.status = '{status}'"));
        }
        // Time filters are ranges of ids, six hours wider at each end: no transaction that creates
        // bags runs longer. They are written as row comparisons: for a range between two ids, the
        // planner expects a two-hundredth of the table, and would read and sort all of it.
        //
        // On a next page nearly every bag behind the cursor meets the time filter too. The planner
        // takes the two for independent, expects few bags, and would sort all behind the cursor
        // instead of following an index to the end of the page: of a CASE it expects half.
        let exact = |comparison: &str| match is_next_page {
            true => format!("CASE WHEN b.created_at {comparison} $ THEN true END"),
            false => format!("b.created_at {comparison} $"),
        };
        if let Some(after) = self.created_after {
            let range = "(b.id, 0) >= ((SELECT bags_made_since($ - interval '6 hours')), 0)";
            conditions.and_with(&format!("{} AND {range}", exact(">=")), Value::Time(after));
        }
        if let Some(before) = self.created_before {
            let range = "(b.id, 0) < ((SELECT bags_made_since($ + interval '6 hours')), 0)";
            conditions.and_with(&format!("{} AND {range}", exact("<")), Value::Time(before));
        }
        conditions
    }
}

/// Bags, newest first, created before the one with id `before`.
pub async fn list(conn: &mut AsyncPgConnection, filter: &BagFilter, before: Option<i64>, limit: i64) -> QueryResult<Vec<BagRecord>> {
    list_sorted(conn, filter, Sort::Newest, before, limit).await
}

/// Like [`list`], in either order. `cursor` is the last bag of the previous page.
pub async fn list_sorted(
    conn: &mut AsyncPgConnection,
    filter: &BagFilter,
    sort: Sort,
    cursor: Option<i64>,
    wanted: i64,
) -> QueryResult<Vec<BagRecord>> {
    let (direction, comparison) = sort.sql();
    let mut conditions = filter.bag_conditions(cursor.is_some());
    let order = filter.look_along_area(&mut conditions, sort);
    if let Some(cursor) = cursor {
        conditions.and_with(&format!("b.id {comparison} $"), Value::BigInt(cursor));
    }
    let parts = filter.parts(sort);
    let list = List { parts: &parts, narrowed: conditions.text().to_owned(), order, direction, limit: limit_in_text(wanted) };
    let found = match filter.part() {
        _ if parts.is_empty() => return Ok(Vec::new()),
        Some(part) => list.with_part(&mut conditions, &part),
        // The planner does not know where a range of ids starts, and would read the links from the
        // first one on. So this shortcut excludes time filters.
        None if parts == ["bags b WHERE true"] && filter.created_after.is_none() && filter.created_before.is_none() => {
            let List { narrowed, order, limit, .. } = list;
            let statement = format!("{SELECT} WHERE true{narrowed} ORDER BY {order} LIMIT {limit}");
            return Ok(cut(conditions.statement(&statement).load(conn).await?, wanted));
        }
        None => format!("WITH found AS MATERIALIZED ({}) ", list.beginning("", list.limit)),
    };
    // Passed as an array: for a subquery, the planner would expect half the table.
    let statement = format!("{found}{SELECT} WHERE b.id = ANY(ARRAY(SELECT id FROM found)) ORDER BY b.id {direction}");
    Ok(cut(conditions.statement(&statement).load(conn).await?, wanted))
}

/// The SQL of a list: its parts, their conditions, the order and the limit.
struct List<'a> {
    parts: &'a [&'static str],
    narrowed: String,
    /// The order in which each part is read.
    order: String,
    direction: &'static str,
    limit: i64,
}

impl List<'_> {
    /// Ids and codes of the first `most` bags that satisfy a further condition.
    fn beginning(&self, condition: &str, most: i64) -> String {
        let Self { narrowed, order, direction, .. } = self;
        let parts: Vec<String> = self
            .parts
            .iter()
            .map(|part| format!("(SELECT b.id, b.qr_code FROM {part}{narrowed}{condition} ORDER BY {order} LIMIT {most})"))
            .collect();
        match parts.as_slice() {
            [only] => only.clone(),
            several => {
                format!("(SELECT each.id, each.qr_code FROM ({}) AS each ORDER BY each.id {direction} LIMIT {most})", several.join(" UNION ALL "))
            }
        }
    }

    /// A CTE named `found` with the bags whose code contains the part, for frequent and rare parts.
    /// It has three steps, and each runs only if the one before did not find enough: the start of
    /// the list; all matches through the index of code parts, if they are few; or a scan of the
    /// list until a page is full, if they are many.
    fn with_part(&self, conditions: &mut Conditions, part: &str) -> String {
        let raw = conditions.place(Value::Text(part.to_owned()));
        let pattern = conditions.place(Value::Text(pattern(part)));
        let limit = self.limit;
        let window = self.beginning("", WINDOW);
        let few = self.beginning(&format!(" AND b.id = ANY(ARRAY(SELECT id FROM few)) AND (SELECT count(*) FROM few) <= {FEW}"), limit);
        // A CASE makes the planner treat the part as frequent, which it is in this step, and scan
        // the list.
        let is_part = format!("CASE WHEN b.qr_code LIKE {pattern} THEN true ELSE false END");
        let many = self.beginning(&format!(" AND {is_part} AND (SELECT count(*) FROM few) > {FEW}"), limit);
        format!(
            "WITH newest AS MATERIALIZED (SELECT w.id FROM ({window}) AS w WHERE w.qr_code LIKE {pattern} LIMIT {limit}), \
             few AS MATERIALIZED (SELECT f.id FROM bags_with_code_part({raw}, {FEW} + 1) AS f (id) WHERE (SELECT count(*) FROM newest) < {limit}), \
             found AS MATERIALIZED (SELECT n.id FROM newest n WHERE (SELECT count(*) FROM newest) >= {limit} \
               UNION ALL SELECT x.id FROM ({few}) AS x UNION ALL SELECT x.id FROM ({many}) AS x) "
        )
    }
}

/// The index of code parts needs three characters. Shorter terms match only the start of a code.
fn pattern(part: &str) -> String {
    let escaped = escape_like(part);
    if part.chars().count() < 3 { format!("{escaped}%") } else { format!("%{escaped}%") }
}

/// The number of bags that match a filter.
pub async fn count(conn: &mut AsyncPgConnection, filter: &BagFilter) -> QueryResult<i64> {
    if filter.part().is_none()
        && filter.billed.is_none()
        && filter.linked.is_none()
        && filter.created_after.is_none()
        && filter.created_before.is_none()
    {
        return count_from_counters(conn, filter).await;
    }
    let mut conditions = filter.bag_conditions(false);
    filter.look_in_area(&mut conditions);
    filter.look_for_part(&mut conditions);
    let parts: Vec<String> = filter.parts(Sort::Newest).iter().map(|part| format!("(SELECT count(*) FROM {part}{})", conditions.text())).collect();
    if parts.is_empty() {
        return Ok(0);
    }
    let rows: Vec<Counted> = conditions.statement(&format!("SELECT {} AS n", parts.join(" + "))).load(conn).await?;
    Ok(rows.into_iter().next().map_or(0, |row| row.n))
}

/// Like [`count`], from counters that triggers maintain. It takes the same time for any number of
/// bags, and supports only filters of kind, status and area.
async fn count_from_counters(conn: &mut AsyncPgConnection, filter: &BagFilter) -> QueryResult<i64> {
    let metrics = match (filter.kind, filter.status) {
        (Some(BagKind::Child), Some(_)) => return Ok(0),
        (_, Some(status)) => format!("metric = 'bags_parent_{status}'"),
        (Some(BagKind::Parent), None) => "metric LIKE 'bags\\_parent\\_%'".to_owned(),
        (Some(BagKind::Child), None) => "metric = 'bags_child'".to_owned(),
        (None, None) => "metric LIKE 'bags\\_%'".to_owned(),
    };
    // Area 0 holds the bags without an area, which no filter selects.
    let query =
        format!("SELECT coalesce(sum(value), 0)::bigint AS n FROM stat_counters WHERE {metrics} AND ($1 IS NULL OR area_id = $1 AND area_id <> 0)");
    let rows: Vec<Counted> = sql(&query).bind::<Nullable<Integer>, _>(filter.area_id).load(conn).await?;
    Ok(rows.into_iter().next().map_or(0, |row| row.n))
}

impl ListSource for BagFilter {
    type Row = BagRecord;
    type Key = i64;

    const FROM: &'static str = "FROM bags b LEFT JOIN bag_links l ON l.child_id = b.id \
         LEFT JOIN bill_bags bb ON bb.bag_id = CASE b.kind WHEN 'parent' THEN b.id ELSE l.parent_id END";

    fn conditions(&self) -> Conditions {
        let mut conditions = self.bag_conditions(false);
        self.look_in_area(&mut conditions);
        self.look_for_part(&mut conditions);
        match self.linked {
            Some(true) => conditions.and("l.child_id IS NOT NULL"),
            Some(false) => conditions.and("l.child_id IS NULL"),
            None => {}
        }
        match self.billed {
            Some(true) => conditions.and("bb.bill_id IS NOT NULL"),
            Some(false) => conditions.and("bb.bill_id IS NULL"),
            None => {}
        }
        conditions
    }

    fn key(row: &BagRecord) -> i64 {
        row.id.unwrap_or_default()
    }

    async fn page(&self, conn: &mut AsyncPgConnection, after: Option<i64>, limit: i64) -> QueryResult<Vec<BagRecord>> {
        list(conn, self, after, limit).await
    }
}
