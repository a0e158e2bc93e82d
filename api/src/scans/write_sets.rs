//! The set-based statements of the scan writer: one for each table, whatever the number of scans.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::model::ScanRow;
use super::rules::{Decision, Event, ScanCommand, Warehouse};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::bag_formats::qr_code::QrCode;
use crate::bags::model::BagRecord;
use crate::db::sql;
use crate::db::sql::Sql;
use crate::scans::model::ScanOutcome;

/// Begins a transaction that writes `bags.is_loose` itself, with the bags it writes anyway: in one round trip, and said for
/// this transaction alone, so that nothing hangs on what the connection was told when it was made.
pub const BEGIN_NOTING_LINKS: &str = "BEGIN; SET LOCAL traitortrack.links_are_noted = 'on'";

/// Everything one batch writes.
pub struct WriteSets {
    statements: Vec<(Table, Sql<'static>)>,
}

/// The statements a batch may need, by the table each is about.
#[derive(Debug, Clone, Copy)]
enum Table {
    NewBags,
    ChangedBags,
    Links,
    Scans,
    Audit,
}

/// Which statements a connection has prepared.
#[derive(Debug, Default)]
pub struct Prepared([bool; 5]);

impl WriteSets {
    /// Collects the changes of a batch; `decided` pairs each new scan with what was decided about it.
    pub fn new(warehouse: &Warehouse, decided: &[(&ScanCommand, &Decision)], rows: &[ScanRow], now: DateTime<Utc>) -> Self {
        let mut statements = Vec::new();
        let created = warehouse.created();
        if !created.is_empty() {
            statements.push((Table::NewBags, insert_bags(&created, decided)));
        }
        let changed = warehouse.changed();
        if !changed.is_empty() {
            statements.push((Table::ChangedBags, update_bags(&changed)));
        }
        let links: Vec<_> = decided.iter().filter(|(_, decision)| decision.outcome == ScanOutcome::Linked).map(|(scan, _)| *scan).collect();
        if !links.is_empty() {
            statements.push((Table::Links, insert_links(&links, now)));
        }
        if !rows.is_empty() {
            statements.push((Table::Scans, insert_scans(rows)));
        }
        let entries: Vec<(&Actor, Entry)> =
            decided.iter().flat_map(|(scan, decision)| decision.events.iter().map(|event| (&scan.by.actor, audit_entry(event)))).collect();
        if !entries.is_empty() {
            statements.push((Table::Audit, audit::insert(entries)));
        }
        Self { statements }
    }

    /// Sends all statements without waiting in between, in order. A statement that this connection has not prepared
    /// yet would be overtaken by those that it has, so then they go one by one.
    pub async fn execute(self, conn: &AsyncPgConnection, prepared: &mut Prepared) -> QueryResult<()> {
        if self.statements.iter().any(|(table, _)| !prepared.0[*table as usize]) {
            for (table, statement) in self.statements {
                RunQueryDsl::execute(statement, &mut &*conn).await?;
                prepared.0[table as usize] = true;
            }
            return Ok(());
        }
        let mut conns: Vec<&AsyncPgConnection> = vec![conn; self.statements.len()];
        let sent = self.statements.into_iter().zip(&mut conns).map(|((_, statement), conn)| RunQueryDsl::execute(statement, conn));
        // try_join_all of few futures polls them in order, and so sends them in order.
        futures_util::future::try_join_all(sent).await?;
        Ok(())
    }
}

fn audit_entry(event: &Event) -> Entry {
    let entry = |action, code: &QrCode| Entry::new(action, Entity::Bag, code);
    match event {
        Event::BagCreated { bag, area_id } => entry(Action::BagCreated, bag).in_area(*area_id),
        Event::AreaTaken { bag, area, area_id } => entry(Action::BagChanged, bag)
            .between_areas(None, *area_id)
            .before(serde_json::json!({"dispatch_area": null}))
            .after(serde_json::json!({"dispatch_area": area})),
        Event::ChildLinked { child, parent, previous_area_id, area_id } => {
            entry(Action::ChildLinked, child).between_areas(*previous_area_id, *area_id).after(serde_json::json!({"parent_qr_code": parent}))
        }
        Event::ParentCompleted { parent, area_id } => entry(Action::ParentCompleted, parent)
            .in_area(*area_id)
            .before(serde_json::json!({"status": "open"}))
            .after(serde_json::json!({"status": "completed", "by": "last_child"})),
    }
}

/// In code order: two writers that make the same bags wait for each other, never in a circle. The one that comes
/// second hits `bags_qr_code_key` and decides again.
fn insert_bags(created: &[&BagRecord], decided: &[(&ScanCommand, &Decision)]) -> Sql<'static> {
    let creator = |bag: &BagRecord| {
        let creates = |event: &Event| matches!(event, Event::BagCreated { bag: created, .. } if *created == bag.qr_code);
        decided.iter().find(|(_, decision)| decision.events.iter().any(creates)).map(|(scan, _)| scan.by.caller.user_id.0)
    };
    sql("INSERT INTO bags (qr_code, kind, status, format_id, capacity, child_count, auto_completed, dispatch_area_id, created_by, created_at, last_scan_at, is_loose) \
         SELECT n.qr_code, n.kind::bag_kind, n.status::bag_status, n.format_id, n.capacity, n.child_count, n.auto_completed, n.area_id, \
                n.created_by, n.created_at, n.last_scan_at, n.is_loose \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
              AS n (qr_code, kind, status, format_id, capacity, child_count, auto_completed, area_id, created_by, created_at, last_scan_at, is_loose) \
         ORDER BY n.qr_code")
    .bind::<Array<Text>, _>(column(created, |bag| bag.qr_code.clone()))
    .bind::<Array<Text>, _>(column(created, |bag| bag.kind.as_str()))
    .bind::<Array<Nullable<Text>>, _>(column(created, |bag| bag.status.map(|status| status.as_str())))
    .bind::<Array<SmallInt>, _>(column(created, |bag| bag.format_id))
    .bind::<Array<SmallInt>, _>(column(created, |bag| bag.capacity))
    .bind::<Array<SmallInt>, _>(column(created, |bag| bag.child_count))
    .bind::<Array<Bool>, _>(column(created, |bag| bag.auto_completed))
    .bind::<Array<Nullable<Integer>>, _>(column(created, |bag| bag.area_id))
    .bind::<Array<Nullable<BigInt>>, _>(column(created, |bag| creator(bag)))
    .bind::<Array<Timestamptz>, _>(column(created, |bag| bag.created_at))
    .bind::<Array<Nullable<Timestamptz>>, _>(column(created, |bag| bag.last_scan_at))
    .bind::<Array<Bool>, _>(column(created, |bag| is_loose(bag)))
}

/// What triggers note where links are written otherwise ([`BEGIN_NOTING_LINKS`]).
const fn is_loose(bag: &BagRecord) -> bool {
    bag.parent.is_none()
}

fn update_bags(changed: &[&BagRecord]) -> Sql<'static> {
    sql("UPDATE bags b SET status = n.status::bag_status, child_count = n.child_count, auto_completed = n.auto_completed, \
                dispatch_area_id = n.area_id, last_scan_at = n.last_scan_at, \
                is_loose = CASE b.kind WHEN 'child' THEN n.is_loose ELSE b.is_loose END \
         FROM unnest($1, $2, $3, $4, $5, $6, $7) AS n (id, status, child_count, auto_completed, area_id, last_scan_at, is_loose) WHERE b.id = n.id")
    .bind::<Array<BigInt>, _>(column(changed, |bag| bag.id.unwrap_or_default()))
    .bind::<Array<Nullable<Text>>, _>(column(changed, |bag| bag.status.map(|status| status.as_str())))
    .bind::<Array<SmallInt>, _>(column(changed, |bag| bag.child_count))
    .bind::<Array<Bool>, _>(column(changed, |bag| bag.auto_completed))
    .bind::<Array<Nullable<Integer>>, _>(column(changed, |bag| bag.area_id))
    .bind::<Array<Nullable<Timestamptz>>, _>(column(changed, |bag| bag.last_scan_at))
    .bind::<Array<Bool>, _>(column(changed, |bag| is_loose(bag)))
}

/// The ids of bags made in this very transaction are only known to the database, so links are named by code.
fn insert_links(links: &[&ScanCommand], now: DateTime<Utc>) -> Sql<'static> {
    // The order of the scans, as time: children are listed in the order they went in.
    let linked_at: Vec<DateTime<Utc>> = (0..links.len()).map(|i| now + chrono::TimeDelta::microseconds(i as i64)).collect();
    sql("INSERT INTO bag_links (child_id, parent_id, scan_id, linked_by, linked_at) \
         SELECT c.id, p.id, n.scan_id, n.linked_by, n.linked_at \
         FROM unnest($1, $2, $3, $4, $5) AS n (child, parent, scan_id, linked_by, linked_at) \
         JOIN bags c ON c.qr_code = n.child JOIN bags p ON p.qr_code = n.parent ORDER BY c.id")
    .bind::<Array<Text>, _>(column(links, |scan| scan.code.clone()))
    .bind::<Array<Nullable<Text>>, _>(column(links, |scan| scan.parent.clone()))
    .bind::<Array<SqlUuid>, _>(column(links, |scan| scan.id))
    .bind::<Array<BigInt>, _>(column(links, |scan| scan.by.caller.user_id))
    .bind::<Array<Timestamptz>, _>(linked_at)
}

/// Writes scan events as they are.
pub fn insert_scans(rows: &[ScanRow]) -> Sql<'static> {
    sql("INSERT INTO scans (id, kind, outcome, source, qr_code, parent_qr_code, user_id, dispatch_area_id, scanned_at, recorded_at, \
                linked_parent_qr_code, status_after, child_count_after, bill_id, undoes_id) \
         SELECT n.id, n.kind::scan_kind, n.outcome::scan_outcome, n.source::scan_source, n.qr_code, n.parent_qr_code, n.user_id, n.area_id, \
                n.scanned_at, n.recorded_at, n.linked_parent, n.status_after::bag_status, n.child_count_after, n.bill_id, n.undoes_id \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
              AS n (id, kind, outcome, source, qr_code, parent_qr_code, user_id, area_id, scanned_at, recorded_at, linked_parent, \
                    status_after, child_count_after, bill_id, undoes_id)")
    .bind::<Array<SqlUuid>, _>(column(rows, |row| row.id))
    .bind::<Array<Text>, _>(column(rows, |row| row.kind.as_str()))
    .bind::<Array<Text>, _>(column(rows, |row| row.outcome.as_str()))
    .bind::<Array<Text>, _>(column(rows, |row| row.source.as_str()))
    .bind::<Array<Text>, _>(column(rows, |row| row.qr_code.clone()))
    .bind::<Array<Nullable<Text>>, _>(column(rows, |row| row.parent_qr_code.clone()))
    .bind::<Array<BigInt>, _>(column(rows, |row| row.user_id))
    .bind::<Array<Nullable<Integer>>, _>(column(rows, |row| row.dispatch_area_id))
    .bind::<Array<Timestamptz>, _>(column(rows, |row| row.scanned_at))
    .bind::<Array<Timestamptz>, _>(column(rows, |row| row.recorded_at))
    .bind::<Array<Nullable<Text>>, _>(column(rows, |row| row.linked_parent_qr_code.clone()))
    .bind::<Array<Nullable<Text>>, _>(column(rows, |row| row.status_after.map(|status| status.as_str())))
    .bind::<Array<Nullable<SmallInt>>, _>(column(rows, |row| row.child_count_after))
    .bind::<Array<Nullable<BigInt>>, _>(column(rows, |row| row.bill_id))
    .bind::<Array<Nullable<SqlUuid>>, _>(column(rows, |row| row.undoes_id))
}

fn column<T, V>(rows: &[T], value: impl Fn(&T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

/// The row of a decided scan.
pub fn scan_row(scan: &ScanCommand, decision: &Decision, now: DateTime<Utc>) -> ScanRow {
    let subject = decision.parent.as_ref().or(decision.bag.as_ref());
    ScanRow {
        id: scan.id,
        kind: decision.kind,
        outcome: decision.outcome,
        source: scan.source,
        qr_code: scan.code.clone(),
        parent_qr_code: scan.parent.clone(),
        user_id: scan.by.caller.user_id,
        dispatch_area_id: decision.area_id,
        scanned_at: scan.scanned_at,
        recorded_at: now,
        linked_parent_qr_code: decision.linked_parent.clone(),
        status_after: subject.and_then(|bag| bag.status),
        child_count_after: subject.map(|bag| bag.child_count),
        bill_id: subject.and_then(|bag| bag.bill_id),
        undoes_id: None::<Uuid>,
        undone_at: None,
        undone_by: None,
    }
}
