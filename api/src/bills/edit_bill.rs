//! Making, changing and deleting bills.

use std::collections::BTreeMap;

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::result::{DatabaseErrorKind, Error as DbError};
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Map, Value, json};

use super::add_bags::lock_open_bill;
use super::model::{BillNumber, BillRecord};
use super::queries;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::db::sql;
use crate::db::transaction::Abort;
use crate::error::{Error, ErrorCode};
use crate::http::etag::IfMatch;
use crate::identity::Caller;
use crate::identity::client::Client;

/// A bill to be.
#[derive(Debug, Clone)]
pub struct NewBill {
    /// Made when absent: `BILL-000001` and on.
    pub number: Option<BillNumber>,
    pub description: Option<String>,
    pub destination: String,
    pub vehicle_number: String,
    pub expected_parent_bags: i32,
}

/// What is to be different.
#[derive(Debug, Clone, Default)]
pub struct BillChanges {
    pub description: Option<Option<String>>,
    pub destination: Option<String>,
    pub vehicle_number: Option<String>,
    pub expected_parent_bags: Option<i32>,
}

/// Makes a bill, in the transaction that `conn` is in.
///
/// # Errors
/// 409 `bill_exists`.
pub async fn create(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, new: &NewBill) -> Result<BillRecord, Abort> {
    let number = match &new.number {
        Some(number) => number.clone(),
        None => next_number(conn).await?,
    };
    sql(
        "INSERT INTO bills (bill_number, description, destination, vehicle_number, expected_parent_bags, created_by) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind::<Text, _>(number.as_str().to_owned())
    .bind::<Nullable<Text>, _>(new.description.clone())
    .bind::<Text, _>(new.destination.clone())
    .bind::<Text, _>(new.vehicle_number.clone())
    .bind::<Integer, _>(new.expected_parent_bags)
    .bind::<BigInt, _>(caller.user_id)
    .execute_on(conn)
    .await
    .map_err(|cause| number_taken(cause, &number))?;
    // No bag is on it yet.
    let entry = Entry::new(Action::BillCreated, Entity::Bill, &number).on_bill(BTreeMap::new()).after(json!({
        "description": new.description, "destination": new.destination, "vehicle_number": new.vehicle_number,
        "expected_parent_bags": new.expected_parent_bags,
    }));
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), vec![entry]).await?;
    queries::find(conn, &number).await?.ok_or_else(|| number.not_found().into())
}

/// The next number that nobody has given by hand.
async fn next_number(conn: &mut AsyncPgConnection) -> Result<BillNumber, Abort> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        number: String,
    }
    loop {
        let rows: Vec<Row> = sql("SELECT n.number FROM (SELECT 'BILL-' || lpad(nextval('bill_numbers')::text, 6, '0') AS number) AS n \
             WHERE NOT EXISTS (SELECT FROM bills WHERE bill_number = n.number)")
        .load(conn)
        .await?;
        if let Some(number) = rows.into_iter().next().and_then(|row| BillNumber::parse(&row.number)) {
            return Ok(number);
        }
    }
}

/// Changes a bill, in the transaction that `conn` is in. What is so already stays so, and its version too.
///
/// # Errors
/// 404 `bill_not_found`; 409 `bill_completed`, or `bill_at_capacity` when fewer are to be expected than are on it;
/// 412 and 428 of [`IfMatch::check`].
pub async fn change(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    client: &Client,
    number: &BillNumber,
    if_match: &IfMatch,
    changes: &BillChanges,
) -> Result<BillRecord, Abort> {
    let bill = lock_open_bill(conn, number).await?;
    if_match.check(bill.version)?;
    let (mut before, mut after) = (Map::new(), Map::new());
    let mut note = |field: &str, old: Value, new: Value| {
        if old != new {
            before.insert(field.into(), old);
            after.insert(field.into(), new);
        }
    };
    let description = changes.description.clone().unwrap_or_else(|| bill.description.clone());
    let destination = changes.destination.clone().unwrap_or_else(|| bill.destination.clone());
    let vehicle_number = changes.vehicle_number.clone().unwrap_or_else(|| bill.vehicle_number.clone());
    let expected = changes.expected_parent_bags.unwrap_or(bill.expected_parent_bags);
    note("description", json!(bill.description), json!(description));
    note("destination", json!(bill.destination), json!(destination));
    note("vehicle_number", json!(bill.vehicle_number), json!(vehicle_number));
    note("expected_parent_bags", json!(bill.expected_parent_bags), json!(expected));
    if after.is_empty() {
        return Ok(bill);
    }
    if i64::from(expected) < bill.parent_bag_count {
        let detail = format!("{} bags are on {number}. Take some off before you expect only {expected}.", bill.parent_bag_count);
        return Err(Error::refused(ErrorCode::BillAtCapacity, detail).into());
    }
    sql("UPDATE bills SET description = $2, destination = $3, vehicle_number = $4, expected_parent_bags = $5, version = version + 1 WHERE id = $1")
        .bind::<BigInt, _>(bill.id)
        .bind::<Nullable<Text>, _>(description)
        .bind::<Text, _>(destination)
        .bind::<Text, _>(vehicle_number)
        .bind::<Integer, _>(expected)
        .execute_on(conn)
        .await?;
    let audience = queries::codes_by_area(conn, bill.id, []).await?;
    let entry = Entry::new(Action::BillChanged, Entity::Bill, number).on_bill(audience).before(before.into()).after(after.into());
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), vec![entry]).await?;
    queries::find(conn, number).await?.ok_or_else(|| number.not_found().into())
}

/// Deletes a bill, in the transaction that `conn` is in; its bags are free again.
///
/// # Errors
/// 404 `bill_not_found`; 409 `bill_completed`; 412 and 428 of [`IfMatch::check`].
pub async fn delete(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, number: &BillNumber, if_match: &IfMatch) -> Result<(), Abort> {
    let bill = lock_open_bill(conn, number).await?;
    if_match.check(bill.version)?;
    queries::lock_bags(conn, bill.id).await?;
    let freed = free_bags(conn, bill.id).await?;
    sql("DELETE FROM bills WHERE id = $1").bind::<BigInt, _>(bill.id).execute_on(conn).await?;
    let audience = queries::codes_by_area(conn, bill.id, freed.iter().map(|bag| (bag.area_id, bag.qr_code.as_str()))).await?;
    let codes: Vec<&str> = freed.iter().map(|bag| bag.qr_code.as_str()).collect();
    let mut entries = vec![Entry::new(Action::BillDeleted, Entity::Bill, number).on_bill(audience).before(json!({
        "description": bill.description, "destination": bill.destination, "vehicle_number": bill.vehicle_number,
        "expected_parent_bags": bill.expected_parent_bags, "status": bill.status, "qr_codes": codes,
    }))];
    entries.extend(freed.iter().map(|bag| {
        let entry = Entry::new(Action::BillBagRemoved, Entity::Bag, &bag.qr_code).in_area(bag.area_id);
        entry.before(json!({"bill": bill.bill_number})).after(json!({"bill": null}))
    }));
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), entries).await?;
    Ok(())
}

/// A bag that is taken off a bill with the bill.
#[derive(QueryableByName)]
struct FreedBag {
    #[diesel(sql_type = Text)]
    qr_code: String,
    #[diesel(sql_type = Nullable<Integer>)]
    area_id: Option<i32>,
}

async fn free_bags(conn: &mut AsyncPgConnection, bill_id: i64) -> QueryResult<Vec<FreedBag>> {
    sql("WITH freed AS (DELETE FROM bill_bags WHERE bill_id = $1 RETURNING bag_id) \
         SELECT p.qr_code, p.dispatch_area_id AS area_id FROM freed JOIN bags p ON p.id = freed.bag_id ORDER BY p.id")
    .bind::<BigInt, _>(bill_id)
    .load(conn)
    .await
}

fn number_taken(cause: DbError, number: &BillNumber) -> Abort {
    match &cause {
        DbError::DatabaseError(DatabaseErrorKind::UniqueViolation, information) if information.constraint_name() == Some("bills_bill_number_key") => {
            Error::refused(ErrorCode::BillExists, format!("A bill with the number {number} already exists. Choose another number.")).into()
        }
        _ => cause.into(),
    }
}
