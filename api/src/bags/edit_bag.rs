//! Making and changing bags otherwise than by scanning.

use diesel::result::{DatabaseErrorKind, Error as DbError};
use diesel::sql_types::{BigInt, Integer, Nullable, SmallInt, Text};
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::change_parent::not_found;
use super::model::BagRecord;
use super::packing;
use super::queries;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::bag_formats::kind::BagKind;
use crate::bag_formats::qr_code::{BagFormat, QrCode};
use crate::db::sql;
use crate::db::transaction::Abort;
use crate::error::{Error, ErrorCode};
use crate::identity::Caller;
use crate::identity::client::Client;

/// A bag to create.
#[derive(Debug, Clone)]
pub struct NewBag {
    pub code: QrCode,
    /// What the code should be of; the format decides.
    pub kind: Option<BagKind>,
    pub name: Option<String>,
    pub area_id: Option<i32>,
}

/// Makes a bag, in the transaction that `conn` is in.
///
/// # Errors
/// 409 `bag_exists`, or `kind_mismatch` when the code is of the other kind.
pub async fn create(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, new: &NewBag, format: &BagFormat) -> Result<BagRecord, Abort> {
    if new.kind.is_some_and(|kind| kind != format.kind) {
        let detail = format!("{} is the code of a {} bag ({}).", new.code, format.kind, format.name);
        return Err(Error::refused(ErrorCode::KindMismatch, detail).into());
    }
    let is_parent = format.kind == BagKind::Parent;
    sql("INSERT INTO bags (qr_code, kind, status, format_id, capacity, name, dispatch_area_id, created_by) \
         VALUES ($1, $2::text::bag_kind, $3::text::bag_status, $4, $5, $6, $7, $8)")
    .bind::<Text, _>(new.code.clone())
    .bind::<Text, _>(format.kind.as_str())
    .bind::<Nullable<Text>, _>(is_parent.then_some("open"))
    .bind::<SmallInt, _>(format.id)
    .bind::<SmallInt, _>(format.capacity)
    .bind::<Nullable<Text>, _>(new.name.clone())
    .bind::<Nullable<Integer>, _>(new.area_id)
    .bind::<BigInt, _>(caller.user_id)
    .execute_on(conn)
    .await
    .map_err(|cause| taken(cause, &new.code))?;
    let bag = queries::find(conn, &new.code).await?.ok_or_else(|| not_found(&new.code))?;
    let entry = Entry::new(Action::BagCreated, Entity::Bag, &new.code)
        .in_area(bag.area_id)
        .after(json!({"kind": bag.kind, "format": bag.format, "name": bag.name, "dispatch_area": bag.area}));
    audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), vec![entry]).await?;
    Ok(bag)
}

/// What is to be different.
#[derive(Debug, Clone, Default)]
pub struct BagChanges {
    pub name: Option<Option<String>>,
    /// Id of the new dispatch area; children follow their parent.
    pub area_id: Option<Option<i32>>,
}

/// Renames a bag, or gives it to another dispatch area, in the transaction that `conn` is in.
///
/// # Errors
/// 404 `bag_not_found`; 409 `parent_on_completed_bill`, or `bag_in_use` when a child is to leave the area of its parent.
pub async fn change(conn: &mut AsyncPgConnection, caller: &Caller, client: &Client, code: &QrCode, changes: &BagChanges) -> Result<BagRecord, Abort> {
    let before = queries::lock(conn, &[code]).await?.into_iter().next();
    let before = before.filter(|bag| caller.may_see_area(bag.area_id)).ok_or_else(|| not_found(code))?;
    let name = changes.name.clone().unwrap_or_else(|| before.name.clone());
    let area_id = changes.area_id.unwrap_or(before.area_id);
    if name == before.name && area_id == before.area_id {
        return Ok(before);
    }
    packing::ensure_unlocked(&before)?;
    if let (Some(parent), true) = (&before.parent, area_id != before.area_id) {
        let detail = format!("{code} is in {parent}, so it is in the same area. Move the parent, or remove the child first.");
        return Err(Error::refused(ErrorCode::BagInUse, detail).into());
    }
    sql("UPDATE bags SET name = $2, dispatch_area_id = $3 WHERE id = $1")
        .bind::<Nullable<BigInt>, _>(before.id)
        .bind::<Nullable<Text>, _>(name)
        .bind::<Nullable<Integer>, _>(area_id)
        .execute_on(conn)
        .await?;
    if area_id != before.area_id {
        sql("UPDATE bags SET dispatch_area_id = $2 WHERE id IN (SELECT child_id FROM bag_links WHERE parent_id = $1) \
             AND dispatch_area_id IS DISTINCT FROM $2")
        .bind::<Nullable<BigInt>, _>(before.id)
        .bind::<Nullable<Integer>, _>(area_id)
        .execute_on(conn)
        .await?;
    }
    let after = queries::find(conn, code).await?.ok_or_else(|| not_found(code))?;
    let fields = |bag: &BagRecord| json!({"name": bag.name, "dispatch_area": bag.area});
    if let Some((old, new)) = audit::difference(&fields(&before), &fields(&after)) {
        let entry = Entry::new(Action::BagChanged, Entity::Bag, code).between_areas(before.area_id, after.area_id).before(old).after(new);
        audit::record(conn, &Actor::person(caller.user_id, &caller.username, client), vec![entry]).await?;
    }
    Ok(after)
}

fn taken(cause: DbError, code: &QrCode) -> Abort {
    match &cause {
        DbError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
            Error::refused(ErrorCode::BagExists, format!("A bag with the code {code} already exists.")).into()
        }
        _ => cause.into(),
    }
}
