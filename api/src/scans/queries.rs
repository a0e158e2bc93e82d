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
use crate::db::sql;
use crate::db::sql::Counted;
use crate::db::sql::Sql;
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
    let (mut query, mut places) = narrowed(LISTED, filter, None);
    let (direction, comparison) = sort.sql();
    if let Some(cursor) = cursor {
        places += 1;
        query = query.sql(&format!(" AND s.id {comparison} ${places}")).bind::<SqlUuid, _>(cursor);
    }
    let query = query.sql(&format!(" ORDER BY s.id {direction} LIMIT ${}", places + 1)).bind::<BigInt, _>(limit);
    let rows: Vec<ListedScan> = query.load(conn).await?;
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
        return count_rows(conn, filter, "").await;
    }
    let whole = ScanFilter { kind: None, outcome: None, ..filter.clone() };
    let others = if is_of_linked { " AND s.outcome <> 'linked'" } else { " AND s.kind <> 'child'" };
    Ok(count_rows(conn, &whole, "").await? - count_rows(conn, &whole, others).await?)
}

async fn count_rows(conn: &mut AsyncPgConnection, filter: &ScanFilter, condition: &str) -> QueryResult<i64> {
    let is_counted = filter.user_id.is_none() && filter.bag.is_none() && filter.kind.is_none() && filter.outcome.is_none();
    let rows: Vec<Counted> = if is_counted && condition.is_empty() && filter.scanned_after.is_none() && filter.scanned_before.is_none() {
        // Kept by triggers, whatever the number of scans. Area 0 holds those that have none, which no filter asks for.
        sql("SELECT coalesce(sum(value), 0)::bigint AS n FROM stat_counters WHERE metric = 'scans' AND ($1 IS NULL OR area_id = $1 AND area_id <> 0)")
            .bind::<Nullable<Integer>, _>(filter.area_id)
            .load(conn)
            .await?
    } else {
        let (query, _places) = narrowed("SELECT count(*) AS n FROM scans s ", filter, None);
        query.sql(condition).load(conn).await?
    };
    Ok(rows.into_iter().next().map_or(0, |row| row.n))
}

/// The scans of a filter, read by `select` (which ends in `FROM scans s` and joins), with the number of values bound.
pub fn narrowed(select: &str, filter: &ScanFilter, before: Option<Uuid>) -> (Sql<'static>, usize) {
    let mut query = sql(select).sql("WHERE true");
    let mut place = 0;
    let mut next_place = || {
        place += 1;
        place
    };
    if let Some(user_id) = filter.user_id {
        query = query.sql(&format!(" AND s.user_id = ${}", next_place())).bind::<BigInt, _>(user_id.0);
    }
    if let Some(bag) = &filter.bag {
        let n = next_place();
        // A bag has some tens of scans: for a short page of them the planner would go along all scans of all bags.
        query = query
            .sql(&format!(
                " AND s.id = ANY(ARRAY(SELECT id FROM scans WHERE qr_code = ${n} UNION ALL SELECT id FROM scans WHERE parent_qr_code = ${n}))"
            ))
            .bind::<Text, _>(bag.clone());
    }
    if let Some(kind) = filter.kind {
        query = query.sql(&format!(" AND s.kind = '{kind}'"));
    }
    if let Some(outcome) = filter.outcome {
        query = query.sql(&format!(" AND s.outcome = '{outcome}'"));
    }
    if let (Some(kind), Some(outcome)) = (filter.kind, filter.outcome)
        && !outcome.is_of(kind)
    {
        // Or all scans of that outcome would be looked through for what can't be among them.
        query = query.sql(" AND false");
    }
    if let Some(area_id) = filter.area_id {
        query = query.sql(&format!(" AND s.dispatch_area_id = ${}", next_place())).bind::<Integer, _>(area_id);
    }
    // Times are ranges on the primary key, which prunes the partitions.
    if let Some(after) = filter.scanned_after {
        query = query.sql(&format!(" AND s.id >= ${}", next_place())).bind::<SqlUuid, _>(floor_id(after));
    }
    if let Some(scanned_before) = filter.scanned_before {
        query = query.sql(&format!(" AND s.id < ${}", next_place())).bind::<SqlUuid, _>(floor_id(scanned_before));
    }
    if let Some(before) = before {
        query = query.sql(&format!(" AND s.id < ${}", next_place())).bind::<SqlUuid, _>(before);
    }
    (query, place)
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
