//! Moving a child to another parent, or out of any: both counts change in one transaction.

use diesel::QueryResult;
use diesel::sql_types::{BigInt, Integer, Nullable};
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::model::{BagRecord, BagStatus};
use super::packing::{self, Child, Parent, Refusal};
use super::queries;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::bag_formats::label_fault::LabelFault;
use crate::bag_formats::qr_code::{BagFormats, QrCode};
use crate::db::transaction::Abort;
use crate::db::{sql, transaction};
use crate::error::{Error, ErrorCode, Result};
use crate::identity::Caller;
use crate::identity::client::Client;

/// Puts a child into another parent, or with `None` out of its parent. What is so already stays so.
///
/// # Errors
/// 404 `bag_not_found`; 409 `kind_mismatch`, `unknown_parent`, `parent_full`, `parent_completed`, or
/// `parent_on_completed_bill` for the parent it leaves or the one it goes to; `looks_like_parent` or `product_barcode`
/// for a code that no child may have, which can be taken out of a parent but not put into one.
pub async fn change_parent(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    client: &Client,
    formats: &BagFormats,
    child: &QrCode,
    parent: Option<&QrCode>,
) -> Result<BagRecord> {
    let actor = Actor::person(caller.user_id, &caller.username, client);
    let label_fault = formats.fault_of(child);
    transaction(conn, async |conn| {
        let Some(seen) = queries::find(conn, child).await? else {
            let fault = label_fault.filter(|_| parent.is_some());
            return Err(fault.map_or_else(|| not_found(child), Error::from).into());
        };
        let bags = lock_with_present_parent(conn, &seen, parent).await?;
        let find = |code: &QrCode| bags.iter().find(|bag| bag.qr_code == *code);
        let child = find(child).ok_or_else(|| not_found(child))?;
        let (leaves, enters) = (child.parent.as_ref().and_then(find), parent.and_then(find));
        check_move(child, label_fault, leaves, parent, enters)?;
        if child.parent.as_ref() == parent {
            return Ok(child.clone());
        }
        let mut entries = vec![moved(child, leaves, enters)];
        let mut child_after = child.clone();
        if let Some(leaves) = leaves {
            let mut after = leaves.clone();
            packing::remove(&mut child_after, &mut after);
            unlink(conn, child).await?;
            entries.extend(store_parent(conn, leaves, &after, "child_removed").await?);
        }
        if let Some(enters) = enters {
            let mut after = enters.clone();
            packing::add(&mut child_after, &mut after);
            link(conn, caller, &child_after, enters).await?;
            entries.extend(store_parent(conn, enters, &after, "last_child").await?);
        }
        audit::record(conn, &actor, entries).await?;
        let stored = queries::find(conn, &child.qr_code).await?;
        stored.ok_or_else(|| not_found(&child.qr_code).into())
    })
    .await
}

/// Locks the child, the parent it is in and the one it goes to. Which one it is in is only certain
/// under its own lock, so a child that was moved since it was `seen` is refused for now.
async fn lock_with_present_parent(conn: &mut AsyncPgConnection, seen: &BagRecord, parent: Option<&QrCode>) -> Result<Vec<BagRecord>, Abort> {
    let child = &seen.qr_code;
    let codes = [Some(child), parent, seen.parent.as_ref()];
    let codes: Vec<&QrCode> = codes.into_iter().flatten().collect();
    let bags = queries::lock(conn, &codes).await?;
    let is_there = bags.iter().any(|bag| bag.qr_code == *child && bag.parent == seen.parent);
    if !is_there {
        let detail = format!("{child} is being moved by someone else. Try again.");
        return Err(Error::unavailable(detail).into());
    }
    Ok(bags)
}

/// Refuses a move that the rules of packing forbid. Billers and admins move bags of every area.
fn check_move(
    child: &BagRecord,
    label_fault: Option<LabelFault>,
    leaves: Option<&BagRecord>,
    parent: Option<&QrCode>,
    enters: Option<&BagRecord>,
) -> Result<()> {
    let moved = Child { code: &child.qr_code, kind: child.kind, parent: child.parent.as_ref(), label_fault, is_within_reach: true };
    let checked = match parent {
        Some(code) => {
            let to = Parent { code, bag: enters, is_within_reach: true };
            packing::transfer(&moved, leaves, &to).map(|_| ())
        }
        None => packing::release(&moved, leaves),
    };
    let places = enters.map_or((0, 0), |bag| (bag.child_count, bag.capacity));
    let code_of_parent = parent.map_or("The parent", QrCode::as_str);
    checked.map_err(|refusal| refused(&refusal, &child.qr_code, code_of_parent, places))
}

/// The problem of a refused move, for a person.
fn refused(refusal: &Refusal, child: &QrCode, parent: &str, places: (i16, i16)) -> Error {
    let (count, capacity) = places;
    let detail = match refusal {
        Refusal::NotAChild => format!("{child} is a parent bag; only child bags are moved."),
        Refusal::WrongLabel(fault) => return Error::from(*fault),
        Refusal::UnknownParent => {
            format!("No parent bag has the code {parent}. Scan the parent first.")
        }
        Refusal::NotAParent => {
            format!("{parent} is a child bag; a child goes into a parent bag.")
        }
        Refusal::ParentOutOfReach | Refusal::ChildOutOfReach => {
            format!("{child} or {parent} belongs to another dispatch area.")
        }
        Refusal::OnCompletedBill(code) => format!("{code} {}", packing::ON_COMPLETED_BILL),
        Refusal::LinkedElsewhere(elsewhere) => format!("{child} is in {elsewhere}."),
        Refusal::Full => format!("{parent} already holds {count} of {capacity} child bags."),
        Refusal::Completed => format!("{parent} was completed. Reopen it first."),
    };
    Error::refused(refusal.code(), detail)
}

async fn store_parent(conn: &mut AsyncPgConnection, before: &BagRecord, after: &BagRecord, by: &str) -> QueryResult<Option<Entry>> {
    queries::update_parent(conn, after).await?;
    if before.status == after.status {
        return Ok(None);
    }
    let action = if after.status == Some(BagStatus::Completed) { Action::ParentCompleted } else { Action::ParentReopened };
    let entry = Entry::new(action, Entity::Bag, &before.qr_code).in_area(before.area_id).before(json!({"status": before.status}));
    Ok(Some(entry.after(json!({"status": after.status, "by": by}))))
}

/// Removes the link of a child.
pub async fn unlink(conn: &mut AsyncPgConnection, child: &BagRecord) -> QueryResult<()> {
    sql("DELETE FROM bag_links WHERE child_id = $1").bind::<Nullable<BigInt>, _>(child.id).execute_on(conn).await?;
    Ok(())
}

async fn link(conn: &mut AsyncPgConnection, caller: &Caller, child: &BagRecord, parent: &BagRecord) -> QueryResult<()> {
    sql("INSERT INTO bag_links (child_id, parent_id, linked_by) VALUES ($1, $2, $3)")
        .bind::<Nullable<BigInt>, _>(child.id)
        .bind::<Nullable<BigInt>, _>(parent.id)
        .bind::<BigInt, _>(caller.user_id)
        .execute_on(conn)
        .await?;
    // A child is where its parent is.
    sql("UPDATE bags SET dispatch_area_id = $2 WHERE id = $1 AND dispatch_area_id IS DISTINCT FROM $2")
        .bind::<Nullable<BigInt>, _>(child.id)
        .bind::<Nullable<Integer>, _>(child.area_id)
        .execute_on(conn)
        .await?;
    Ok(())
}

fn moved(child: &BagRecord, from: Option<&BagRecord>, to: Option<&BagRecord>) -> Entry {
    let action = match (from, to) {
        (Some(_), Some(_)) => Action::ChildMoved,
        (None, _) => Action::ChildLinked,
        (_, None) => Action::ChildUnlinked,
    };
    // A child stands where its parent stands; one that is taken out stays there.
    let previous_area_id = from.map_or(child.area_id, |bag| bag.area_id);
    Entry::new(action, Entity::Bag, &child.qr_code)
        .between_areas(previous_area_id, to.map_or(child.area_id, |bag| bag.area_id))
        .before(json!({"parent_qr_code": from.map(|bag| &bag.qr_code)}))
        .after(json!({"parent_qr_code": to.map(|bag| &bag.qr_code)}))
}

/// The refusal for a bag that does not exist or may not be seen.
pub fn not_found(code: &QrCode) -> Error {
    Error::refused(ErrorCode::BagNotFound, format!("No bag has the code {code}."))
}
