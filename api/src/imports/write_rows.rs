//! A partial import: every batch of good rows is written for itself.
//!
//! Done again after a crash it comes to the same: bags that exist are accepted, and the scans of a row have ids made
//! from the import and the line, so the scan writer gives them their first answer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, SmallInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::read_rows::RawRow;
use super::rules::{BagRow, LinkRow, RefusedRow, Rules};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::bag_formats::kind::{BagKind, BagKindSql};
use crate::bag_formats::qr_code::QrCode;
use crate::db::sql;
use crate::error::{Error, Result};
use crate::scans::model::ScanSource;
use crate::scans::record_scans::{ScanAnswer, ScanWriter};
use crate::scans::rules::{ScanCommand, ScannedBy};

/// A full scan writer is asked again this often, with pauses that grow to [`LONGEST_PAUSE`]: some ten minutes.
const TRIES: u32 = 120;
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Splits a batch into rows that are well-formed and rows that are not.
pub fn checked<T>(batch: Vec<RawRow>, check: impl Fn(RawRow) -> Result<T, RefusedRow>) -> (Vec<T>, Vec<RefusedRow>) {
    let mut good = Vec::with_capacity(batch.len());
    let mut refused = Vec::new();
    for row in batch {
        match check(row) {
            Ok(row) => good.push(row),
            Err(row) => refused.push(row),
        }
    }
    (good, refused)
}

/// Makes the bags that are new, in the transaction that `conn` is in. Returns the rows that contradict a bag that exists.
pub async fn write_bags(conn: &mut AsyncPgConnection, actor: &Actor, rows: &[BagRow]) -> QueryResult<Vec<RefusedRow>> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Text)]
        qr_code: QrCode,
        #[diesel(sql_type = BagKindSql)]
        kind: BagKind,
        #[diesel(sql_type = Nullable<Integer>)]
        area_id: Option<i32>,
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let column = |value: &dyn Fn(&BagRow) -> String| rows.iter().map(value).collect::<Vec<_>>();
    // In code order, as the scan writer does: two that make the same bags wait for each other, never in a circle.
    let made: Vec<Found> = sql("INSERT INTO bags (qr_code, kind, status, format_id, capacity, name, dispatch_area_id, created_by) \
         SELECT n.qr_code, n.kind::bag_kind, CASE n.kind WHEN 'parent' THEN 'open'::bag_status END, n.format_id, n.capacity, n.name, n.area_id, $7 \
         FROM unnest($1, $2, $3, $4, $5, $6) AS n (qr_code, kind, format_id, capacity, name, area_id) ORDER BY n.qr_code \
         ON CONFLICT (qr_code) DO NOTHING RETURNING qr_code, kind, dispatch_area_id AS area_id")
    .bind::<Array<Text>, _>(column(&|row| row.code.to_string()))
    .bind::<Array<Text>, _>(column(&|row| row.format.kind.as_str().to_owned()))
    .bind::<Array<SmallInt>, _>(rows.iter().map(|row| row.format.id).collect::<Vec<_>>())
    .bind::<Array<SmallInt>, _>(rows.iter().map(|row| row.format.capacity).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Integer>>, _>(rows.iter().map(|row| row.area_id).collect::<Vec<_>>())
    .bind::<Nullable<BigInt>, _>(actor.id)
    .load(conn)
    .await?;
    let created = |bag: &Found| Entry::new(Action::BagCreated, Entity::Bag, &bag.qr_code).in_area(bag.area_id);
    audit::record(conn, actor, made.iter().map(created).collect()).await?;

    let made: HashSet<QrCode> = made.into_iter().map(|bag| bag.qr_code).collect();
    let there: Vec<String> = rows.iter().filter(|row| row.is_kind_given && !made.contains(&row.code)).map(|row| row.code.to_string()).collect();
    if there.is_empty() {
        return Ok(Vec::new());
    }
    let there: Vec<Found> =
        sql("SELECT qr_code, kind, dispatch_area_id AS area_id FROM bags WHERE qr_code = ANY($1)").bind::<Array<Text>, _>(there).load(conn).await?;
    let kinds: HashMap<QrCode, BagKind> = there.into_iter().map(|bag| (bag.qr_code, bag.kind)).collect();
    let contradicts = |row: &&BagRow| row.is_kind_given && kinds.get(&row.code).is_some_and(|kind| *kind != row.format.kind);
    Ok(rows.iter().filter(contradicts).map(|row| RefusedRow::new(&row.raw, "kind_mismatch", kind_sentence(row))).collect())
}

fn kind_sentence(row: &BagRow) -> String {
    format!("The bag {} already exists, and is not a {} bag.", row.code, row.format.kind)
}

/// The scans of an import.
pub struct Scanning {
    pub import_id: Uuid,
    pub scanned_at: DateTime<Utc>,
    pub by: Arc<ScannedBy>,
}

impl Scanning {
    fn command(&self, line: i64, code: &QrCode, parent: Option<&QrCode>) -> ScanCommand {
        ScanCommand {
            id: scan_id(self.import_id, self.scanned_at, line, parent.is_some()),
            code: code.clone(),
            parent: parent.cloned(),
            scanned_at: self.scanned_at,
            source: ScanSource::Import,
            by: self.by.clone(),
        }
    }
}

/// The id of a row's scan: the same each time, later for later rows.
pub fn scan_id(import_id: Uuid, at: DateTime<Utc>, line: i64, is_child: bool) -> Uuid {
    let hash = Sha256::digest(import_id.as_bytes());
    let place = (line.unsigned_abs() << 1) | u64::from(is_child);
    // 74 free bits: 12, 6 and 56 (RFC 9562, 5.7). The place comes first, so that ids sort as the rows do.
    let own = u64::from_be_bytes(std::array::from_fn(|i| hash[i])) >> 30;
    let bits = (u128::from(place & ((1 << 40) - 1)) << 34) | u128::from(own);
    let tail = (bits & ((1 << 56) - 1)) as u64;
    let mut free = [0; 10];
    free[0] = (bits >> 70) as u8;
    free[1] = (bits >> 62) as u8;
    free[2] = (bits >> 56) as u8 & 0x3F;
    free[3..].copy_from_slice(&tail.to_be_bytes()[1..]);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(at.timestamp_millis()).unwrap_or_default(), &free).into_uuid()
}

/// Links a batch through the scan writer; a parent that is missing is opened first. Returns the rows that were refused.
///
/// # Errors
/// 503 when the scan writer stays full or the database away; then the batch can be tried again.
pub async fn write_links(
    conn: &mut AsyncPgConnection,
    writer: &ScanWriter,
    rules: &Rules,
    scanning: &Scanning,
    rows: &[LinkRow],
) -> Result<Vec<RefusedRow>> {
    #[derive(QueryableByName)]
    struct Known {
        #[diesel(sql_type = Text)]
        qr_code: QrCode,
    }
    let parents: Vec<String> = rows.iter().map(|row| row.parent.to_string()).collect();
    let known: Vec<Known> = sql("SELECT qr_code FROM bags WHERE qr_code = ANY($1)").bind::<Array<Text>, _>(parents).load(conn).await?;
    let mut known: HashSet<QrCode> = known.into_iter().map(|bag| bag.qr_code).collect();

    let mut refused = Vec::new();
    let mut commands = Vec::with_capacity(rows.len());
    // For each command the row it is the scan of; opening a parent is nobody's.
    let mut rows_of: Vec<Option<&LinkRow>> = Vec::with_capacity(rows.len());
    for row in rows {
        if !known.contains(&row.parent) {
            if let Some(fault) = rules.formats.fault_of(&row.parent) {
                refused.push(RefusedRow::wrong_label(&row.raw, fault, &row.parent));
                continue;
            }
            if !rules.formats.is_parent(&row.parent) {
                refused.push(RefusedRow::new(&row.raw, "kind_mismatch", format!("{} is not the code of a parent bag.", row.parent)));
                continue;
            }
            known.insert(row.parent.clone());
            commands.push(scanning.command(row.raw.line, &row.parent, None));
            rows_of.push(None);
        }
        commands.push(scanning.command(row.raw.line, &row.child, Some(&row.parent)));
        rows_of.push(Some(row));
    }
    if commands.is_empty() {
        return Ok(refused);
    }
    for (answer, row) in record(writer, commands).await?.into_iter().zip(rows_of) {
        let refusal = match answer {
            Ok(recorded) => recorded.refusal(),
            Err(error) => Some(error),
        };
        if let (Some(error), Some(row)) = (refusal, row) {
            let refusal = error.into_refusal();
            let fault = rules.formats.fault_of(&row.child).filter(|fault| fault.code() == refusal.code);
            refused.push(match fault {
                Some(fault) => RefusedRow::wrong_label(&row.raw, fault, &row.child),
                None => RefusedRow::new(&row.raw, refusal.code.as_str(), refusal.detail),
            });
        }
    }
    Ok(refused)
}

/// Waits for its turn when packers keep the writer busy: they come first.
async fn record(writer: &ScanWriter, commands: Vec<ScanCommand>) -> Result<Vec<ScanAnswer>> {
    let mut pause = Duration::from_millis(50);
    for _ in 1..TRIES {
        match writer.record(commands.clone()).await.map(|recorded| recorded.answers) {
            Err(Error::Refused(refusal)) if refusal.retry_after_seconds.is_some() => tokio::time::sleep(pause).await,
            done => return done,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(writer.record(commands).await?.answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scans::model::time_of;

    #[test]
    fn scan_ids_are_the_same_each_time_and_sort_as_the_rows() {
        let (import, at) = (Uuid::now_v7(), Utc::now());
        let ids: Vec<Uuid> = (1..100_000).flat_map(|line| [scan_id(import, at, line, false), scan_id(import, at, line, true)]).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(scan_id(import, at, 7, true), ids[13]);
        assert_ne!(scan_id(Uuid::now_v7(), at, 7, true), ids[13]);
        assert_eq!(time_of(ids[0]).unwrap().timestamp_millis(), at.timestamp_millis());
    }
}
