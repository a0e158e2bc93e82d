//! Completing a parent before it is full, and opening it again.

use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::change_parent::not_found;
use super::model::{BagRecord, BagStatus};
use super::packing;
use super::queries;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::bag_formats::kind::BagKind;
use crate::bag_formats::qr_code::QrCode;
use crate::db::transaction::Abort;
use crate::error::{Error, ErrorCode};
use crate::identity::Caller;
use crate::identity::client::Client;

/// Makes a parent `completed` or `open`, in the transaction that `conn` is in. What is so already stays so.
///
/// # Errors
/// 404 `bag_not_found`; 409 `kind_mismatch` for a child, `parent_on_completed_bill`, `empty_parent` when an empty one is to be completed.
pub async fn set_status(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    client: &Client,
    code: &QrCode,
    status: BagStatus,
) -> Result<BagRecord, Abort> {
    let actor = Actor::person(caller.user_id, &caller.username, client);
    let bag = queries::lock(conn, &[code]).await?.into_iter().next();
    let parent = bag.filter(|bag| caller.may_see_area(bag.area_id)).ok_or_else(|| not_found(code))?;
    if parent.kind != BagKind::Parent {
        return Err(Error::refused(ErrorCode::KindMismatch, format!("{code} is a child bag. Only parent bags can be completed.")).into());
    }
    if parent.status == Some(status) {
        return Ok(parent);
    }
    packing::ensure_unlocked(&parent)?;
    if status == BagStatus::Completed && parent.child_count == 0 {
        return Err(Error::refused(ErrorCode::EmptyParent, format!("{code} is empty. Scan at least one child bag into it first.")).into());
    }
    let after = BagRecord { status: Some(status), auto_completed: false, ..parent.clone() };
    queries::update_parent(conn, &after).await?;
    let action = match status {
        BagStatus::Completed => Action::ParentCompleted,
        BagStatus::Open => Action::ParentReopened,
    };
    let entry =
        Entry::new(action, Entity::Bag, code).in_area(parent.area_id).before(json!({"status": parent.status})).after(json!({"status": status}));
    audit::record(conn, &actor, vec![entry]).await?;
    Ok(after)
}
