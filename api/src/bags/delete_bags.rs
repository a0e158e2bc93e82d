//! Deleting bags, one or many. Their scans and audit entries stay.

use std::collections::HashMap;

use diesel::sql_types::{Array, BigInt};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::model::BagRecord;
use super::queries;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::bag_formats::kind::BagKind;
use crate::bag_formats::qr_code::QrCode;
use crate::db::sql;
use crate::db::transaction::Abort;
use crate::error::{Error, ErrorCode};
use crate::identity::Caller;
use crate::identity::client::Client;

/// The result of deleting one bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeleteOutcome {
    /// Gone; its history stays.
    Deleted,
    /// Refused: it holds children, is in a parent or on a bill.
    BagInUse,
    /// No bag has this code.
    NotFound,
    /// This is not the code of a bag.
    InvalidQrCode,
}

/// The result for one of several bags.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeleteBagResult {
    #[schema(example = "SB12345")]
    pub qr_code: String,
    pub outcome: DeleteOutcome,
    /// What happened and what to do, for a person.
    pub detail: String,
}

/// The result for each bag, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeleteBagsResponse {
    pub results: Vec<DeleteBagResult>,
}

/// Deletes each bag that is free, in the transaction that `conn` is in.
///
/// # Errors
/// When the database refuses.
pub async fn delete_bags(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, codes: &[String]) -> Result<DeleteBagsResponse, Abort> {
    let parsed: Vec<Option<QrCode>> = codes.iter().map(|code| QrCode::parse(code).ok()).collect();
    let known: Vec<&QrCode> = parsed.iter().flatten().collect();
    let mut bags: HashMap<QrCode, BagRecord> = queries::lock(conn, &known).await?.into_iter().map(|bag| (bag.qr_code.clone(), bag)).collect();
    let mut gone: Vec<BagRecord> = Vec::new();
    let mut results = Vec::with_capacity(codes.len());
    for (given, code) in codes.iter().zip(parsed) {
        let (qr_code, outcome, detail) = match code {
            None => (given.chars().take(64).collect(), DeleteOutcome::InvalidQrCode, "This is not a bag code.".to_owned()),
            Some(code) => match bags.get(&code).map(reason_to_keep) {
                None => (code.to_string(), DeleteOutcome::NotFound, format!("No bag has the code {code}.")),
                Some(Some(reason)) => (code.to_string(), DeleteOutcome::BagInUse, reason),
                Some(None) => {
                    gone.extend(bags.remove(&code));
                    (code.to_string(), DeleteOutcome::Deleted, format!("{code} deleted. Its history stays."))
                }
            },
        };
        results.push(DeleteBagResult { qr_code, outcome, detail });
    }
    if !gone.is_empty() {
        remove(conn, caller, client, &gone).await?;
    }
    Ok(DeleteBagsResponse { results })
}

/// Deletes one bag, in the transaction that `conn` is in.
///
/// # Errors
/// 404 `bag_not_found`; 409 `bag_in_use` with the reason.
pub async fn delete_bag(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, code: &QrCode) -> Result<(), Abort> {
    let result = delete_bags(conn, caller, client, &[code.to_string()]).await?.results.into_iter().next();
    match result.map(|result| (result.outcome, result.detail)) {
        Some((DeleteOutcome::Deleted, _)) => Ok(()),
        Some((DeleteOutcome::BagInUse, detail)) => Err(Error::refused(ErrorCode::BagInUse, detail).into()),
        Some((DeleteOutcome::NotFound | DeleteOutcome::InvalidQrCode, _)) | None => Err(super::change_parent::not_found(code).into()),
    }
}

fn reason_to_keep(bag: &BagRecord) -> Option<String> {
    let code = &bag.qr_code;
    if let (Some(bill), BagKind::Parent) = (&bag.bill, bag.kind) {
        return Some(format!("{code} is on bill {bill}. Remove it from the bill first."));
    }
    if bag.child_count > 0 {
        return Some(format!("{code} still contains child bags ({}). Remove them first.", bag.child_count));
    }
    bag.parent.as_ref().map(|parent| format!("{code} is in {parent}. Remove it first."))
}

async fn remove(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, bags: &[BagRecord]) -> diesel::QueryResult<()> {
    let ids: Vec<i64> = bags.iter().filter_map(|bag| bag.id).collect();
    sql("DELETE FROM bags WHERE id = ANY($1)").bind::<Array<BigInt>, _>(ids).execute_on(conn).await?;
    let entries = bags.iter().map(|bag| {
        Entry::new(Action::BagDeleted, Entity::Bag, &bag.qr_code).in_area(bag.area_id).before(json!({
            "kind": bag.kind, "format": bag.format, "name": bag.name, "status": bag.status, "dispatch_area": bag.area, "created_at": bag.created_at,
        }))
    });
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), entries.collect()).await
}
