//! Moving a child to another parent, or out of any: both counts change in one transaction.

use diesel::QueryResult;
use diesel::sql_types::{BigInt, Nullable};
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::model::{BagKind, BagRecord, BagStatus};
use super::qr_code::{BagFormats, QrCode};
use super::queries;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::auth::Caller;
use crate::db::transaction::Abort;
use crate::db::{sql, transaction};
use crate::error::{Error, ErrorCode, Result};
use crate::http::client::Client;

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
    transaction(conn, async |conn| {
        if let (Some(fault), Some(parent)) = (formats.fault_of(child), parent)
            && queries::find(conn, child).await?.is_none_or(|bag| bag.kind == BagKind::Child && bag.parent.as_ref() != Some(parent))
        {
            return Err(Error::from(fault).into());
        }
        let bags = lock_with_present_parent(conn, child, parent).await?;
        let find = |code: &QrCode| bags.iter().find(|bag| bag.qr_code == *code);
        let child = find(child).ok_or_else(|| not_found(child))?;
        if child.kind != BagKind::Child {
            return Err(Error::refused(ErrorCode::KindMismatch, format!("{} is a parent bag. Only child bags can be moved.", child.qr_code)).into());
        }
        if child.parent.as_ref() == parent {
            return Ok(child.clone());
        }
        let leaves = child.parent.as_ref().and_then(find);
        if let Some(leaves) = leaves {
            check_not_billed(leaves)?;
        }
        let enters = parent.map(|code| check_can_enter(find(code), code)).transpose()?;
        let mut entries = vec![moved(child, leaves, enters)];
        if let Some(leaves) = leaves {
            unlink(conn, child).await?;
            entries.extend(store_parent(conn, leaves, remove_child(leaves), "child_removed").await?);
        }
        if let Some(enters) = enters {
            link(conn, caller, child, enters).await?;
            entries.extend(store_parent(conn, enters, add_child(enters), "last_child").await?);
        }
        audit::record(conn, &actor, entries).await?;
        queries::find(conn, &child.qr_code).await?.ok_or_else(|| not_found(&child.qr_code).into())
    })
    .await
}

/// Locks the child, the parent it is in and the one it goes to. Which one it is in is only certain under its own
/// lock, so a child that was moved in between is looked at again.
async fn lock_with_present_parent(conn: &mut AsyncPgConnection, child: &QrCode, parent: Option<&QrCode>) -> Result<Vec<BagRecord>, Abort> {
    let present = queries::find(conn, child).await?.ok_or_else(|| not_found(child))?.parent;
    let codes: Vec<&QrCode> = [Some(child), parent, present.as_ref()].into_iter().flatten().collect();
    let bags = queries::lock(conn, &codes).await?;
    let is_still_there = bags.iter().any(|bag| bag.qr_code == *child && bag.parent == present);
    if !is_still_there {
        return Err(Error::unavailable(format!("{child} is being moved by someone else. Try again.")).into());
    }
    Ok(bags)
}

fn check_not_billed(parent: &BagRecord) -> Result<()> {
    if parent.is_on_completed_bill {
        return Err(Error::refused(ErrorCode::ParentOnCompletedBill, format!("{} is on a finished bill and can't be changed.", parent.qr_code)));
    }
    Ok(())
}

fn check_can_enter<'a>(parent: Option<&'a BagRecord>, code: &QrCode) -> Result<&'a BagRecord> {
    let parent =
        parent.ok_or_else(|| Error::refused(ErrorCode::UnknownParent, format!("No parent bag has the code {code}. Scan the parent first.")))?;
    if parent.kind != BagKind::Parent {
        return Err(Error::refused(ErrorCode::KindMismatch, format!("{code} is a child bag. A child bag can only be in a parent bag.")));
    }
    check_not_billed(parent)?;
    if parent.child_count >= parent.capacity {
        let detail = format!("{code} already holds {} of {} child bags.", parent.child_count, parent.capacity);
        return Err(Error::refused(ErrorCode::ParentFull, detail));
    }
    if parent.status == Some(BagStatus::Completed) {
        return Err(Error::refused(ErrorCode::ParentCompleted, format!("{code} was completed. Reopen it first.")));
    }
    Ok(parent)
}

/// A parent with one child fewer. It opens again when that child had completed it, or was its last.
pub fn remove_child(parent: &BagRecord) -> BagRecord {
    let mut after = parent.clone();
    after.child_count -= 1;
    if after.auto_completed || after.child_count == 0 {
        after.status = Some(BagStatus::Open);
        after.auto_completed = false;
    }
    after
}

fn add_child(parent: &BagRecord) -> BagRecord {
    let mut after = parent.clone();
    after.child_count += 1;
    if after.child_count == after.capacity {
        after.status = Some(BagStatus::Completed);
        after.auto_completed = true;
    }
    after
}

async fn store_parent(conn: &mut AsyncPgConnection, before: &BagRecord, after: BagRecord, by: &str) -> QueryResult<Option<Entry>> {
    queries::update_parent(conn, &after).await?;
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
    // A child stands where its parent stands.
    sql("UPDATE bags SET dispatch_area_id = $2 WHERE id = $1 AND dispatch_area_id IS DISTINCT FROM $2")
        .bind::<Nullable<BigInt>, _>(child.id)
        .bind::<Nullable<diesel::sql_types::Integer>, _>(parent.area_id)
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
