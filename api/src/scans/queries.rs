//! Reading `scans`.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::model::{Scan, ScanKind, ScanOutcome, ScanRow, ScanUser};
use crate::bag_formats::qr_code::QrCode;
use crate::db::ids::floor_id;
use crate::db::list::{ListSource, PageOf, count_all};
use crate::db::sql;
use crate::db::sql::{Conditions, Counted, Value};
use crate::http::page::Sort;
use crate::identity::UserId;

/// Columns of a [`ScanRow`].
pub const ROW: &str = "SELECT s.id, s.kind, s.outcome, s.source, s.qr_code, s.parent_qr_code, s.user_id, s.dispatch_area_id, s.scanned_at, \
     s.recorded_at, s.linked_parent_qr_code, s.status_after, s.child_count_after, s.bill_id, s.undoes_id, s.undone_at, s.undone_by \
     FROM scans s ";

/// Scans by id.
pub async fn find_many(conn: &mut AsyncPgConnection, ids: Vec<Uuid>) -> QueryResult<Vec<ScanRow>> {
    sql(ROW).sql("WHERE s.id = ANY($1)").bind::<Array<SqlUuid>, _>(ids).load(conn).await
}

/// The scan with this id, locked until the transaction ends.
pub async fn lock(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Option<ScanRow>> {
    let rows: Vec<ScanRow> = sql(ROW).sql("WHERE s.id = $1 FOR UPDATE").bind::<SqlUuid, _>(id).load(conn).await?;
    Ok(rows.into_iter().next())
}

/// The newest scan of a person, made after `since`, that linked a child: undone or not.
pub async fn last_link_of(conn: &mut AsyncPgConnection, user: UserId, since: DateTime<Utc>) -> QueryResult<Option<Uuid>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let rows: Vec<Row> = sql("SELECT id FROM scans WHERE user_id = $1 AND outcome = 'linked' AND id >= $2 ORDER BY id DESC LIMIT 1")
        .bind::<BigInt, _>(user.0)
        .bind::<SqlUuid, _>(floor_id(since))
        .load(conn)
        .await?;
    Ok(rows.into_iter().next().map(|row| row.id))
}

#[derive(QueryableByName)]
struct ListedScan {
    #[diesel(embed)]
    scan: ScanRow,
    #[diesel(sql_type = Nullable<Text>)]
    username: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    area: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    undone_by_name: Option<String>,
}

impl From<ListedScan> for Scan {
    fn from(listed: ListedScan) -> Self {
        let row = listed.scan;
        Self {
            id: row.id,
            kind: row.kind,
            outcome: row.outcome,
            qr_code: row.qr_code,
            parent_qr_code: row.parent_qr_code,
            user: ScanUser { id: row.user_id, username: listed.username.unwrap_or_default() },
            dispatch_area: listed.area,
            source: row.source,
            scanned_at: row.scanned_at,
            recorded_at: row.recorded_at,
            undone_at: row.undone_at,
            undone_by: listed.undone_by_name,
        }
    }
}

const LISTED: &str = "SELECT s.id, s.kind, s.outcome, s.source, s.qr_code, s.parent_qr_code, s.user_id, s.dispatch_area_id, s.scanned_at, \
     s.recorded_at, s.linked_parent_qr_code, s.status_after, s.child_count_after, s.bill_id, s.undoes_id, s.undone_at, s.undone_by, \
     u.username, a.code AS area, v.username AS undone_by_name FROM scans s \
     LEFT JOIN users u ON u.id = s.user_id LEFT JOIN dispatch_areas a ON a.id = s.dispatch_area_id LEFT JOIN users v ON v.id = s.undone_by ";

/// The scan with this id, as JSON.
pub async fn find_listed(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Option<Scan>> {
    let rows: Vec<ListedScan> = sql(LISTED).sql("WHERE s.id = $1").bind::<SqlUuid, _>(id).load(conn).await?;
    Ok(rows.into_iter().next().map(Scan::from))
}

/// What a list of scans is narrowed to.
#[derive(Debug, Default, Clone)]
pub struct ScanFilter {
    pub user_id: Option<UserId>,
    /// Scans of this bag, or into this parent.
    pub bag: Option<QrCode>,
    pub kind: Option<ScanKind>,
    pub outcome: Option<ScanOutcome>,
    pub area_id: Option<i32>,
    pub scanned_after: Option<DateTime<Utc>>,
    pub scanned_before: Option<DateTime<Utc>>,
}

/// Scans, newest first, older than the one with id `before`.
pub async fn list(conn: &mut AsyncPgConnection, filter: &ScanFilter, before: Option<Uuid>, limit: i64) -> QueryResult<Vec<Scan>> {
    list_sorted(conn, filter, Sort::Newest, before, limit).await
}

/// As [`list`], in either order; `cursor` is the last one seen.
pub async fn list_sorted(conn: &mut AsyncPgConnection, filter: &ScanFilter, sort: Sort, cursor: Option<Uuid>, limit: i64) -> QueryResult<Vec<Scan>> {
    let (direction, _) = sort.sql();
    let page = PageOf { select: LISTED, column: "s.id", direction, limit, has_limit_in_text: false };
    let statement = page.statement(filter.conditions(), cursor.map(Value::Uuid));
    let rows: Vec<ListedScan> = statement.load(conn).await?;
    Ok(rows.into_iter().map(Scan::from).collect())
}

/// How many there are of a filter.
///
/// Nearly all scans are of children that were linked, so those are counted by what else there is: the rest is in small
/// indexes, and the whole in counters or in one index.
pub async fn count(conn: &mut AsyncPgConnection, filter: &ScanFilter) -> QueryResult<i64> {
    // A linked scan is one of a child.
    let is_of_children = filter.kind == Some(ScanKind::Child) && filter.outcome.is_none();
    let is_of_linked = filter.outcome == Some(ScanOutcome::Linked) && filter.kind.is_none_or(|kind| kind == ScanKind::Child);
    if !is_of_children && !is_of_linked {
        return count_rows(conn, filter, None).await;
    }
    let whole = ScanFilter { kind: None, outcome: None, ..filter.clone() };
    let others = if is_of_linked { "s.outcome <> 'linked'" } else { "s.kind <> 'child'" };
    Ok(count_rows(conn, &whole, None).await? - count_rows(conn, &whole, Some(others)).await?)
}

async fn count_rows(conn: &mut AsyncPgConnection, filter: &ScanFilter, condition: Option<&str>) -> QueryResult<i64> {
    let is_of_area_only = filter.user_id.is_none()
        && filter.bag.is_none()
        && filter.kind.is_none()
        && filter.outcome.is_none()
        && filter.scanned_after.is_none()
        && filter.scanned_before.is_none();
    if !is_of_area_only || condition.is_some() {
        let mut conditions = filter.conditions();
        if let Some(condition) = condition {
            conditions.and(condition);
        }
        return count_all(conn, ScanFilter::FROM, conditions).await;
    }
    // Counted by triggers, which takes the same time for any number of scans. Area 0 holds the
    // scans without an area, which no filter selects.
    let rows: Vec<Counted> = sql("SELECT coalesce(sum(value), 0)::bigint AS n FROM stat_counters \
         WHERE metric = 'scans' AND ($1 IS NULL OR area_id = $1 AND area_id <> 0)")
    .bind::<Nullable<Integer>, _>(filter.area_id)
    .load(conn)
    .await?;
    Ok(rows.into_iter().next().map_or(0, |row| row.n))
}

impl ListSource for ScanFilter {
    type Row = Scan;
    type Key = Uuid;

    const FROM: &'static str = "FROM scans s";

    fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::default();
        if let Some(user_id) = self.user_id {
            conditions.and_with("s.user_id = $", Value::BigInt(user_id.0));
        }
        if let Some(bag) = &self.bag {
            // A bag has some tens of scans. For a short page of them, the planner would walk along
            // all scans of all bags.
            let of_bag = "s.id = ANY(ARRAY(SELECT id FROM scans WHERE qr_code = $ \
                          UNION ALL SELECT id FROM scans WHERE parent_qr_code = $))";
            conditions.and_with(of_bag, Value::Text(bag.to_string()));
        }
        if let Some(kind) = self.kind {
            conditions.and(&format!("s.kind = '{kind}'"));
        }
        if let Some(outcome) = self.outcome {
            conditions.and(&format!("s.outcome = '{outcome}'"));
        }
        if let (Some(kind), Some(outcome)) = (self.kind, self.outcome)
            && !outcome.is_of(kind)
        {
            // Otherwise all scans of that outcome would be searched for rows that can't exist.
            conditions.and("false");
        }
        if let Some(area_id) = self.area_id {
            conditions.and_with("s.dispatch_area_id = $", Value::Integer(area_id));
        }
        // Times are ranges on the primary key, which prunes the partitions.
        if let Some(after) = self.scanned_after {
            conditions.and_with("s.id >= $", Value::Uuid(floor_id(after)));
        }
        if let Some(before) = self.scanned_before {
            conditions.and_with("s.id < $", Value::Uuid(floor_id(before)));
        }
        conditions
    }

    fn key(row: &Scan) -> Uuid {
        row.id
    }

    async fn page(&self, conn: &mut AsyncPgConnection, after: Option<Uuid>, limit: i64) -> QueryResult<Vec<Scan>> {
        list(conn, self, after, limit).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scans::model::id_at;

    #[test]
    fn the_floor_of_a_moment_is_below_its_ids_and_above_all_earlier_ones() {
        let moment: DateTime<Utc> = "2026-11-24T10:00:00.123Z".parse().unwrap();
        assert!(floor_id(moment) < id_at(moment) && id_at(moment - chrono::TimeDelta::milliseconds(1)) < floor_id(moment));
        let at = |text: &str| floor_id(text.parse().unwrap());
        assert_eq!(at("0000-01-01T00:00:00Z"), Uuid::nil());
        assert_eq!(at("1969-12-31T23:59:59Z"), Uuid::nil());
        assert!(at("9999-12-31T23:59:59Z") > floor_id(moment) && at("+20000-01-01T00:00:00Z") >= at("9999-12-31T23:59:59Z"));
    }
}
