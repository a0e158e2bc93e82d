//! Finishing a bill locks it, its bags and their links; an admin can open it again.

use diesel::sql_types::BigInt;
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::add_bags::lock_open_bill;
use super::model::{BillNumber, BillRecord, BillStatus};
use super::queries;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::db::sql;
use crate::db::transaction::Abort;
use crate::error::{Error, ErrorCode};
use crate::identity::Caller;
use crate::identity::client::Client;

/// Finishes a bill, in the transaction that `conn` is in.
///
/// # Errors
/// 404 `bill_not_found`; 409 `bill_completed`, `empty_bill`.
pub async fn finish(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, number: &BillNumber) -> Result<BillRecord, Abort> {
    let bill = lock_open_bill(conn, number).await?;
    // Scans that are being written into these bags end first; later ones find them locked by the bill.
    if queries::lock_bags(conn, bill.id).await? == 0 {
        return Err(Error::refused(ErrorCode::EmptyBill, format!("{number} has no bags. Add at least one bag before you finish it.")).into());
    }
    sql("UPDATE bills SET status = 'completed', finished_at = now(), version = version + 1 WHERE id = $1")
        .bind::<BigInt, _>(bill.id)
        .execute_on(conn)
        .await?;
    let finished = queries::find(conn, number).await?.ok_or_else(|| number.not_found())?;
    let audience = queries::codes_by_area(conn, bill.id, []).await?;
    let entry = Entry::new(Action::BillFinished, Entity::Bill, number).on_bill(audience).before(json!({"status": bill.status})).after(json!({
        "status": finished.status, "parent_bag_count": finished.parent_bag_count, "child_bag_count": finished.child_bag_count,
        "actual_weight_kg": finished.actual_weight_kg,
    }));
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), vec![entry]).await?;
    Ok(finished)
}

/// Opens a finished bill again, in the transaction that `conn` is in; the reason goes into the audit log.
///
/// # Errors
/// 404 `bill_not_found`; 409 `bill_not_completed`.
pub async fn reopen(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, number: &BillNumber, reason: &str) -> Result<BillRecord, Abort> {
    let bill = queries::lock(conn, number).await?.ok_or_else(|| number.not_found())?;
    if bill.status != BillStatus::Completed {
        return Err(Error::refused(ErrorCode::BillNotCompleted, format!("{number} is not finished, so there is nothing to reopen.")).into());
    }
    sql("UPDATE bills SET status = 'processing', finished_at = NULL, version = version + 1 WHERE id = $1")
        .bind::<BigInt, _>(bill.id)
        .execute_on(conn)
        .await?;
    let audience = queries::codes_by_area(conn, bill.id, []).await?;
    let entry = Entry::new(Action::BillReopened, Entity::Bill, number)
        .on_bill(audience)
        .before(json!({"status": bill.status}))
        .after(json!({"status": BillStatus::Processing, "reason": reason}));
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), vec![entry]).await?;
    queries::find(conn, number).await?.ok_or_else(|| number.not_found().into())
}
