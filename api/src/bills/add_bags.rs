//! Putting parent bags on a bill, and taking them off.

use std::collections::HashMap;

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::model::{Bill, BillNumber, BillRecord, BillStatus};
use super::queries;
use super::rules::{AddOutcome, Capacity};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::bag_formats::qr_code::QrCode;
use crate::bags;
use crate::bags::model::{BagRecord, BagStatus};
use crate::db::sql;
use crate::db::transaction::Abort;
use crate::error::{Error, ErrorCode, Result};
use crate::identity::Caller;
use crate::identity::client::Client;

/// The result for each bag, and the changed bill.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddBagsResponse {
    /// In the order of the request.
    pub results: Vec<AddBagResult>,
    pub bill: Bill,
}

/// The result of adding one bag.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddBagResult {
    /// The code, normalised if it is valid.
    #[schema(example = "SB12345")]
    pub qr_code: String,
    pub outcome: AddOutcome,
    /// The bill that the bag is on, if that is the reason for the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "BILL-000002")]
    pub bill_number: Option<String>,
    /// A warning about an added bag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub warning: Option<AddWarning>,
    /// What happened and what to do, for a person.
    #[schema(example = "SB12345 is on the bill.")]
    pub detail: String,
}

/// A warning about an added bag.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddWarning {
    /// `parent_open`: the bag is not completed yet, so its contents can still change.
    #[schema(example = "parent_open")]
    pub code: &'static str,
    pub detail: String,
}

/// Adds bags in the order given, in the transaction that `conn` is in; each is decided for itself.
///
/// # Errors
/// 404 `bill_not_found`, 409 `bill_completed`.
pub async fn add_bags(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    client: &Client,
    number: &BillNumber,
    codes: &[String],
    may_take_open_parents: bool,
) -> Result<AddBagsResponse, Abort> {
    let bill = lock_open_bill(conn, number).await?;
    let parsed: Vec<Option<QrCode>> = codes.iter().map(|code| QrCode::parse(code).ok()).collect();
    let known: Vec<&QrCode> = parsed.iter().flatten().collect();
    let mut records: HashMap<QrCode, BagRecord> =
        bags::queries::lock(conn, &known).await?.into_iter().map(|bag| (bag.qr_code.clone(), bag)).collect();
    let mut capacity = Capacity { bill_id: bill.id, expected: bill.expected_parent_bags.into(), count: bill.parent_bag_count, may_take_open_parents };
    let mut added: Vec<BagRecord> = Vec::new();
    let mut results = Vec::with_capacity(codes.len());
    for (given, code) in codes.iter().zip(parsed) {
        let Some(code) = code else {
            results.push(result(given.chars().take(64).collect(), AddOutcome::InvalidQrCode, None, &bill));
            continue;
        };
        let outcome = capacity.decide(records.get(&code));
        results.push(result(code.to_string(), outcome, records.get(&code), &bill));
        if outcome == AddOutcome::Added
            && let Some(record) = records.get_mut(&code)
        {
            added.push(record.clone());
            // The same code again in this request is on this bill already.
            record.bill_id = Some(bill.id);
        }
    }
    if !added.is_empty() {
        store(conn, caller, client, &bill, &added).await?;
    }
    let bill = queries::find(conn, number).await?.ok_or_else(|| number.not_found())?;
    Ok(AddBagsResponse { results, bill: bill.into() })
}

async fn store(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, bill: &BillRecord, added: &[BagRecord]) -> QueryResult<()> {
    let ids: Vec<i64> = added.iter().filter_map(|bag| bag.id).collect();
    sql("INSERT INTO bill_bags (bag_id, bill_id, added_by) SELECT bag_id, $2, $3 FROM unnest($1) AS bag_id ORDER BY bag_id")
        .bind::<Array<BigInt>, _>(ids)
        .bind::<BigInt, _>(bill.id)
        .bind::<BigInt, _>(caller.user_id)
        .execute_on(conn)
        .await?;
    sql("UPDATE bills SET status = 'processing' WHERE id = $1 AND status = 'new'").bind::<BigInt, _>(bill.id).execute_on(conn).await?;
    let codes: Vec<&QrCode> = added.iter().map(|bag| &bag.qr_code).collect();
    let audience = queries::codes_by_area(conn, bill.id, added.iter().map(named)).await?;
    let entry = Entry::new(Action::BillBagAdded, Entity::Bill, &bill.bill_number).on_bill(audience);
    let mut entries = vec![entry.after(json!({"qr_codes": codes}))];
    entries.extend(added.iter().map(|bag| {
        let entry = Entry::new(Action::BillBagAdded, Entity::Bag, &bag.qr_code).in_area(bag.area_id);
        entry.before(json!({"bill": null})).after(json!({"bill": bill.bill_number}))
    }));
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), entries).await
}

/// Takes a bag off a bill, in the transaction that `conn` is in.
///
/// # Errors
/// 404 `bill_not_found`, or `bag_not_found` when the bag is not on this bill; 409 `bill_completed`.
pub async fn remove_bag(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, number: &BillNumber, code: &QrCode) -> Result<(), Abort> {
    let bill = lock_open_bill(conn, number).await?;
    let bag = bags::queries::lock(conn, &[code]).await?.into_iter().next().filter(|bag| bag.bill_id == Some(bill.id));
    let bag = bag.ok_or_else(|| Error::refused(ErrorCode::BagNotFound, format!("{code} is not on the bill {number}.")))?;
    let removed = sql("DELETE FROM bill_bags WHERE bag_id = $1 AND bill_id = $2")
        .bind::<BigInt, _>(bag.id.unwrap_or_default())
        .bind::<BigInt, _>(bill.id)
        .execute_on(conn)
        .await?;
    if removed == 0 {
        // A child is on the bill of its parent, but it is the parent that is put on and taken off.
        return Err(Error::refused(ErrorCode::KindMismatch, format!("{code} is a child bag. Remove its parent from the bill.")).into());
    }
    sql("UPDATE bills SET status = 'new' WHERE id = $1 AND NOT EXISTS (SELECT FROM bill_bags WHERE bill_id = $1)")
        .bind::<BigInt, _>(bill.id)
        .execute_on(conn)
        .await?;
    let audience = queries::codes_by_area(conn, bill.id, [named(&bag)]).await?;
    let of_bag = Entry::new(Action::BillBagRemoved, Entity::Bag, code).in_area(bag.area_id);
    let entries = vec![
        Entry::new(Action::BillBagRemoved, Entity::Bill, number).on_bill(audience).before(json!({"qr_codes": [code]})),
        of_bag.before(json!({"bill": bill.bill_number})).after(json!({"bill": null})),
    ];
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), entries).await?;
    Ok(())
}

/// A bag as [`queries::codes_by_area`] names it.
fn named(bag: &BagRecord) -> (Option<i32>, &str) {
    (bag.area_id, bag.qr_code.as_str())
}

/// Locks a bill that may still be changed.
///
/// # Errors
/// 404 `bill_not_found`, 409 `bill_completed`.
pub async fn lock_open_bill(conn: &mut AsyncPgConnection, number: &BillNumber) -> Result<BillRecord, Abort> {
    let bill = queries::lock(conn, number).await?.ok_or_else(|| number.not_found())?;
    if bill.status == BillStatus::Completed {
        return Err(Error::refused(ErrorCode::BillCompleted, format!("{number} is finished and locked. An admin can reopen it.")).into());
    }
    Ok(bill)
}

fn result(qr_code: String, outcome: AddOutcome, bag: Option<&BagRecord>, bill: &BillRecord) -> AddBagResult {
    let other_bill = bag.and_then(|bag| bag.bill.clone());
    let detail = match outcome {
        AddOutcome::Added => format!("{qr_code} is on the bill."),
        AddOutcome::AlreadyOnThisBill => format!("{qr_code} is already on this bill."),
        AddOutcome::AlreadyBilled => format!("{qr_code} is on bill {}. Remove it there first.", other_bill.as_deref().unwrap_or_default()),
        AddOutcome::BillAtCapacity => {
            format!("{} already has the {} bags expected. Raise the expected number first.", bill.bill_number, bill.expected_parent_bags)
        }
        AddOutcome::EmptyParent => format!("{qr_code} is empty. Pack it first."),
        AddOutcome::ParentOpen => format!("{qr_code} is still being packed. Complete it first."),
        AddOutcome::NotFound => format!("No bag has the code {qr_code}."),
        AddOutcome::KindMismatch => format!("{qr_code} is a child bag. Add its parent bag to the bill."),
        AddOutcome::InvalidQrCode => "This is not a bag code. Scan it again.".to_owned(),
    };
    let is_open = outcome == AddOutcome::Added && bag.is_some_and(|bag| bag.status == Some(BagStatus::Open));
    let warning = is_open.then(|| AddWarning { code: "parent_open", detail: format!("{qr_code} is still open: its weight can still change.") });
    AddBagResult { bill_number: other_bill.filter(|_| outcome == AddOutcome::AlreadyBilled), qr_code, outcome, warning, detail }
}
