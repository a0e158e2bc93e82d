//! Undoing a scan: the link goes, both bags and the event stay, a parent completed by that child opens again.

use chrono::{TimeDelta, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::model::{Scan, ScanKind, ScanOutcome, ScanRow, id_at, time_of};
use super::{queries, write_sets};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::bags;
use crate::bags::change_parent::unlink;
use crate::bags::model::{Bag, BagRecord};
use crate::bags::packing;
use crate::db::sql;
use crate::db::transaction::Abort;
use crate::error::{Error, ErrorCode, Result};
use crate::identity::Caller;
use crate::identity::Role;
use crate::identity::client::Client;

/// The undone scan, and the current state of the bags.
#[derive(Debug, Serialize, ToSchema)]
pub struct UndoResponse {
    pub undone_scan: Scan,
    /// The child; null if it was deleted, or is now in another dispatch area.
    #[schema(required)]
    pub bag: Option<Bag>,
    /// The parent that it was removed from; null if it was deleted, or is now in another dispatch
    /// area.
    #[schema(required)]
    pub parent: Option<Bag>,
}

/// Undoes the scan with this id, in the transaction that `conn` is in. Undoing it again changes nothing.
///
/// # Errors
/// 404 `scan_not_found`; 403 `forbidden` for another's scan (billers and admins may); 409 `nothing_to_undo`,
/// `undo_window_passed`, `scan_superseded` or `parent_on_completed_bill`.
pub async fn undo_scan(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, id: Uuid, window: TimeDelta) -> Result<UndoResponse, Abort> {
    let actor = Actor::person(caller.user_id, &caller.username, client);
    let seen = queries::find_many(conn, vec![id]).await?.into_iter().next().ok_or_else(not_found)?;
    check_right(caller, &seen)?;
    // Bags before scans, as the scan writer does: nobody waits in a circle.
    let codes: Vec<_> = [Some(&seen.qr_code), seen.parent_qr_code.as_ref()].into_iter().flatten().collect();
    let bags = bags::queries::lock(conn, &codes).await?;
    let scan = queries::lock(conn, id).await?.ok_or_else(not_found)?;
    if scan.undone_at.is_none() {
        undo_locked(conn, caller, &actor, &scan, &bags, window).await?;
    }
    answer(conn, caller, &scan).await
}

/// Undoes the newest scan of the caller that linked a child. Sent again it changes nothing: the scan before
/// that one is undone by its id.
///
/// # Errors
/// As [`undo_scan`]; 409 `nothing_to_undo` when the caller has linked nothing within the window.
pub async fn undo_last_scan(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, window: TimeDelta) -> Result<UndoResponse, Abort> {
    let last = queries::last_link_of(conn, caller.user_id, Utc::now() - window).await?;
    let id =
        last.ok_or_else(|| Error::refused(ErrorCode::NothingToUndo, "You have not linked a bag in the last hour, so there is nothing to undo."))?;
    undo_scan(conn, caller, client, id, window).await
}

async fn undo_locked(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    actor: &Actor,
    scan: &ScanRow,
    bags: &[BagRecord],
    window: TimeDelta,
) -> Result<(), Abort> {
    if scan.outcome != ScanOutcome::Linked {
        return Err(Error::refused(ErrorCode::NothingToUndo, "This scan changed nothing, so there is nothing to undo.").into());
    }
    if time_of(scan.id)? + window < Utc::now() {
        return Err(Error::refused(
            ErrorCode::UndoWindowPassed,
            format!("Scans can be undone for {} minutes. Ask a biller or an admin to unlink the bag.", window.num_minutes()),
        )
        .into());
    }
    let find = |code| bags.iter().find(|bag| Some(&bag.qr_code) == code);
    let (Some(child), Some(parent)) = (find(Some(&scan.qr_code)), find(scan.parent_qr_code.as_ref())) else { return Err(superseded().into()) };
    if link_of(conn, child).await? != Some(scan.id) {
        return Err(superseded().into());
    }
    packing::ensure_unlocked(parent)?;
    unlink(conn, child).await?;
    let (mut child_after, mut parent_after) = (child.clone(), parent.clone());
    packing::remove(&mut child_after, &mut parent_after);
    bags::queries::update_parent(conn, &parent_after).await?;
    mark_undone(conn, caller, scan, parent.area_id).await?;

    let undone = Entry::new(Action::ScanUndone, Entity::Bag, &child.qr_code)
        .in_area(parent.area_id)
        .before(json!({"parent_qr_code": parent.qr_code}))
        .after(json!({"parent_qr_code": null, "scan_id": scan.id}));
    let mut entries = vec![undone];
    if parent_after.status != parent.status {
        let reopened = Entry::new(Action::ParentReopened, Entity::Bag, &parent.qr_code).in_area(parent.area_id);
        entries.push(reopened.before(json!({"status": parent.status})).after(json!({"status": parent_after.status, "by": "undo"})));
    }
    audit::record(conn, actor, entries).await?;
    Ok(())
}

/// Marks the event, and adds the event of the undo, which belongs to the area that the parent is in now.
async fn mark_undone(conn: &mut AsyncPgConnection, caller: &Caller, scan: &ScanRow, area_id: Option<i32>) -> QueryResult<()> {
    let now = Utc::now();
    sql("UPDATE scans SET undone_at = $2, undone_by = $3 WHERE id = $1")
        .bind::<SqlUuid, _>(scan.id)
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(caller.user_id)
        .execute_on(conn)
        .await?;
    let event = ScanRow {
        id: id_at(now),
        kind: ScanKind::Undo,
        outcome: ScanOutcome::Undone,
        user_id: caller.user_id,
        dispatch_area_id: area_id,
        scanned_at: now,
        recorded_at: now,
        linked_parent_qr_code: None,
        status_after: None,
        child_count_after: None,
        undoes_id: Some(scan.id),
        ..scan.clone()
    };
    write_sets::insert_scans(&[event]).execute_on(conn).await?;
    Ok(())
}

/// The scan, and the bags as they are now: by then they may be another area's.
async fn answer(conn: &mut AsyncPgConnection, caller: &Caller, scan: &ScanRow) -> Result<UndoResponse, Abort> {
    let undone_scan = queries::find_listed(conn, scan.id).await?.ok_or_else(not_found)?;
    let shown = |bag: Option<BagRecord>| bag.filter(|bag| caller.may_see_area(bag.area_id)).map(Bag::from);
    let bag = shown(bags::queries::find(conn, &scan.qr_code).await?);
    let parent = match &scan.parent_qr_code {
        Some(code) => shown(bags::queries::find(conn, code).await?),
        None => None,
    };
    Ok(UndoResponse { undone_scan, bag, parent })
}

/// The scan that made the present link of a child.
async fn link_of(conn: &mut AsyncPgConnection, child: &BagRecord) -> QueryResult<Option<Uuid>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Nullable<SqlUuid>)]
        scan_id: Option<Uuid>,
    }
    let rows: Vec<Row> = sql("SELECT scan_id FROM bag_links WHERE child_id = $1").bind::<Nullable<BigInt>, _>(child.id).load(conn).await?;
    Ok(rows.into_iter().next().and_then(|row| row.scan_id))
}

fn check_right(caller: &Caller, scan: &ScanRow) -> Result<()> {
    if scan.user_id == caller.user_id || caller.role >= Role::Biller {
        return Ok(());
    }
    if caller.may_see_area(scan.dispatch_area_id) {
        return Err(Error::refused(ErrorCode::Forbidden, "Another person made this scan. Ask that person, a biller or an admin to undo it."));
    }
    Err(not_found())
}

fn not_found() -> Error {
    Error::refused(ErrorCode::ScanNotFound, "No scan has this id.")
}

fn superseded() -> Error {
    Error::refused(ErrorCode::ScanSuperseded, "The bag has been moved or unlinked since this scan. Look up the bag to see where it is.")
}
