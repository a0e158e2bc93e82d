//! Making, changing and deleting bags over HTTP.

use actix_web::{HttpResponse, Responder, delete, patch, post, web};
use diesel_async::AsyncPgConnection;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::delete_bags::{self, DeleteBagsResponse};
use super::edit_bag::{self, BagChanges, NewBag};
use super::model::Bag;
use crate::bag_formats::kind::BagKind;
use crate::bag_formats::qr_code::QrCode;
use crate::bag_formats::shared::SharedFormats;
use crate::db::transaction;
use crate::dispatch_areas;
use crate::error::{Error, ErrorCode, FieldError, Problem, Result};
use crate::http::json::{Json, MergePatch, present};
use crate::http::responses::{Always, SignedIn, WithBody};
use crate::http::text::{is_filled, no_control_characters};
use crate::idempotency::{Idempotency, Reply};
use crate::identity::client::Client;
use crate::identity::{Admin, Biller, Caller, RequireRole};
use crate::state::AppState;

/// A bag to create.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CreateBagRequest {
    /// Trimmed and upper-cased by the server; its format determines whether it is a parent or a
    /// child.
    #[schema(example = "SB12345")]
    pub qr_code: String,
    /// The expected kind; the request is refused if the code is of the other kind.
    #[schema(required = false)]
    pub kind: Option<BagKind>,
    #[validate(length(min = 1, max = 200), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(required = false, min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// Code of an active dispatch area; dispatchers use their own area.
    #[validate(length(min = 1, max = 64), custom(function = no_control_characters))]
    #[schema(required = false, example = "Lucknow", min_length = 1, max_length = 64)]
    pub dispatch_area: Option<String>,
}

/// A merge patch of a bag: absent fields do not change.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ChangeBagRequest {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 200), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(required = false, value_type = Option<String>, min_length = 1, max_length = 200)]
    pub name: Option<Option<String>>,
    /// Code of an active dispatch area, or null; the children of a parent move with it.
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 64), custom(function = no_control_characters))]
    #[schema(required = false, value_type = Option<String>, min_length = 1, max_length = 64)]
    pub dispatch_area: Option<Option<String>>,
}

/// Bags to delete.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct DeleteBagsRequest {
    /// 1 to 500 codes. Each bag is deleted or refused separately.
    #[validate(length(min = 1, max = 500))]
    #[schema(min_items = 1, max_items = 500, example = json!(["SB12345", "CB-000123"]))]
    pub qr_codes: Vec<String>,
}

/// Create a bag.
///
/// Scanning creates bags automatically. Use this call in systems that know the bags in advance.
#[utoipa::path(
    operation_id = "create_bag", tag = "bags", request_body = CreateBagRequest,
    responses((status = 201, description = "Created; `Location` is its address", body = Bag),
              (status = 409, description = "`bag_exists`, `kind_mismatch`, `looks_like_parent` or `product_barcode`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithBody),
)]
#[post("/bags")]
pub async fn create_bag(
    caller: Caller,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    body: Json<CreateBagRequest>,
) -> Result<impl Responder> {
    let Json(request) = body;
    let code = QrCode::parse(&request.qr_code)?;
    let mut conn = state.pool.get().await?;
    let area_id = match (caller.own_area_only(), &request.dispatch_area) {
        (Some(own), None) => Some(own),
        (_, None) => None,
        (own, Some(area)) => {
            let id = active_area(&mut conn, area).await?;
            if own.is_some_and(|own| own != id) {
                return Err(Error::refused(ErrorCode::Forbidden, "You can create bags only in your own dispatch area."));
            }
            Some(id)
        }
    };
    let formats = state.part::<SharedFormats>().current();
    if let Some(fault) = formats.fault_of(&code) {
        return Err(fault.into());
    }
    let format = formats.of(&code).ok_or_else(|| Error::refused(ErrorCode::InvalidQrCode, "No bag format matches this code."))?;
    let new = NewBag { code, kind: request.kind, name: request.name, area_id };
    let create = async |conn: &mut AsyncPgConnection| {
        let bag = Bag::from(edit_bag::create(conn, &caller, &client, &new, format).await?);
        Ok(Reply::created(format!("/api/v1/bags/{}", bag.qr_code), &bag)?)
    };
    idempotency.run(&mut conn, create).await
}

/// Change the name or the dispatch area of a bag.
#[utoipa::path(
    operation_id = "change_bag", tag = "bags", params(("qr_code" = String, Path, description = "Code of the bag", example = "SB12345")),
    request_body(content = ChangeBagRequest, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The changed bag", body = Bag),
              (status = 404, description = "`bag_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`parent_on_completed_bill` or `bag_in_use`", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithBody),
)]
#[patch("/bags/{qr_code}")]
pub async fn change_bag(
    biller: RequireRole<Biller>,
    client: Client,
    state: web::Data<AppState>,
    path: web::Path<String>,
    body: MergePatch<ChangeBagRequest>,
) -> Result<impl Responder> {
    let code = QrCode::parse(&path)?;
    let MergePatch(request) = body;
    let mut conn = state.pool.get().await?;
    let area_id = match request.dispatch_area {
        None => None,
        Some(None) => Some(None),
        Some(Some(area)) => Some(Some(active_area(&mut conn, &area).await?)),
    };
    let changes = BagChanges { name: request.name, area_id };
    let bag = transaction(&mut conn, async |conn| edit_bag::change(conn, &biller.caller, &client, &code, &changes).await).await?;
    Ok(web::Json(Bag::from(bag)))
}

/// Delete a bag.
///
/// A bag that contains children, is in a parent or is on a bill cannot be deleted. The history of a
/// deleted bag stays.
#[utoipa::path(
    operation_id = "delete_bag", tag = "bags", params(("qr_code" = String, Path, description = "Code of the bag", example = "SB12345")),
    responses((status = 204, description = "Deleted"),
              (status = 404, description = "`bag_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`bag_in_use`", body = Problem, content_type = "application/problem+json"),
              (status = 422, description = "`invalid_qr_code`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[delete("/bags/{qr_code}")]
pub async fn delete_bag(admin: RequireRole<Admin>, client: Client, state: web::Data<AppState>, path: web::Path<String>) -> Result<impl Responder> {
    let code = QrCode::parse(&path)?;
    let delete = async |conn: &mut AsyncPgConnection| delete_bags::delete_bag(conn, &admin.caller, &client, &code).await;
    transaction(&mut *state.pool.get().await?, delete).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Delete up to 500 bags.
///
/// Each bag is deleted or refused separately. The response contains the result for each bag, in the
/// order of the request.
#[utoipa::path(
    operation_id = "delete_bags", tag = "bags", request_body = DeleteBagsRequest,
    responses((status = 200, description = "The result for each bag", body = DeleteBagsResponse), Always, SignedIn, WithBody),
)]
#[post("/bags/bulk-delete")]
pub async fn delete_many_bags(
    admin: RequireRole<Admin>,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    body: Json<DeleteBagsRequest>,
) -> Result<impl Responder> {
    let delete =
        async |conn: &mut AsyncPgConnection| Ok(Reply::ok(&delete_bags::delete_bags(conn, &admin.caller, &client, &body.0.qr_codes).await?)?);
    idempotency.run(&mut *state.pool.get().await?, delete).await
}

async fn active_area(conn: &mut AsyncPgConnection, code: &str) -> Result<i32> {
    let area = dispatch_areas::find_active(conn, code).await?;
    area.map(|(id, _)| id).ok_or_else(|| {
        Error::invalid(vec![FieldError::new("/dispatch_area", "unknown_dispatch_area", format!("There is no active dispatch area \"{code}\"."))])
    })
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(create_bag).service(delete_many_bags).service(change_bag).service(delete_bag);
}
