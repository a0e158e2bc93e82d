//! Bags over HTTP.

use actix_web::{HttpRequest, Responder, get, post, put, web};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;
use validator::Validate;

use super::change_parent::{self, not_found};
use super::complete_parent::set_status;
use super::history::{HistoryEntry, history};
use super::kept_bags::KeptBag;
use super::model::{Bag, BagRecord, BagStatus, ChildBag};
use super::queries::{self, BagFilter};
use crate::bag_formats::kind::BagKind;
use crate::bag_formats::qr_code::QrCode;
use crate::bag_formats::shared::SharedFormats;
use crate::bags::kept_bags::KeptBags;
use crate::cache::Freshness;
use crate::consistency::Reads;
use crate::dispatch_areas;
use crate::error::{Problem, Result};
use crate::http::etag::Tagged;
use crate::http::json::Json;
use crate::http::page::{Count, Page, PageQuery, Position, SortedPageQuery, fingerprint_of};
use crate::http::query::{FilterQuery, Query};
use crate::http::responses::{Always, SignedIn, WithBody, WithQuery};
use crate::http::text::search_term;
use crate::idempotency::{Idempotency, Reply};
use crate::identity::client::Client;
use crate::identity::{Biller, Caller, RequireRole};
use crate::state::AppState;

/// The filters of bags.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BagsQuery {
    /// Part of the code; with one or two characters, its beginning.
    pub q: Option<String>,
    pub kind: Option<BagKind>,
    /// Only parents with this status.
    pub status: Option<BagStatus>,
    /// Code of a dispatch area.
    pub area: Option<String>,
    /// Only bags that are (not) on a bill.
    pub billed: Option<bool>,
    /// Only children that are (not) in a parent.
    pub linked: Option<bool>,
    pub created_after: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
}

impl BagsQuery {
    /// The filter for a caller who sees only their `own` area, if any.
    ///
    /// # Errors
    /// Fails if the database can't be read.
    pub async fn filter(&self, conn: &mut AsyncPgConnection, own: Option<i32>) -> Result<BagFilter> {
        Ok(BagFilter {
            q: search_term(self.q.as_ref()),
            kind: self.kind,
            status: self.status,
            area_id: dispatch_areas::narrowed(conn, own, self.area.as_deref()).await?,
            billed: self.billed,
            linked: self.linked,
            created_after: self.created_after,
            created_before: self.created_before,
        })
    }
}

/// The destination of a child.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ChangeParentRequest {
    /// Code of the parent, or null to remove the child from its parent.
    // `deserialize_with` makes the field needed: an empty object must not unlink a bag.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required, example = "SB12345")]
    pub parent_qr_code: Option<String>,
}

/// List bags, newest first.
#[utoipa::path(
    operation_id = "list_bags", tag = "bags", params(BagsQuery, SortedPageQuery),
    responses((status = 200, description = "One page of bags the caller may see", body = Page<Bag>), Always, SignedIn, WithQuery),
)]
#[get("/bags")]
pub async fn list_bags(caller: Caller, reads: Reads, req: HttpRequest, query: FilterQuery<BagsQuery, SortedPageQuery>) -> Result<impl Responder> {
    let FilterQuery(query, page) = query;
    let mut conn = reads.get().await?;
    let filter = query.filter(&mut conn, caller.own_area_only()).await?;
    let filters = fingerprint_of(&(&query, page.sort, caller.own_area_only()));
    let position = Position::new("bags", &filters);
    let before = position.key(page.cursor.as_deref())?;
    let wanted = page.limit.rows_to_read();
    let bags = queries::list_sorted(&mut conn, &filter, page.sort, before, wanted).await?;
    let total = match page.count {
        Some(Count::Exact) => Some(queries::count(&mut conn, &filter).await?),
        None => None,
    };
    let page = Page::new(bags, page.limit, &position, |bag| bag.id);
    Ok(page.map(Bag::from).with_total(total).into_response(&req))
}

/// Show a bag.
#[utoipa::path(
    operation_id = "get_bag", tag = "bags", params(("qr_code" = String, Path, description = "Code of the bag, case-insensitive", example = "SB12345")),
    responses((status = 304, description = "Unchanged since the `ETag` in If-None-Match"),
              (status = 200, description = "The bag", body = Bag),
              (status = 404, description = "`bag_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 422, description = "`invalid_qr_code`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[get("/bags/{qr_code}")]
pub async fn get_bag(caller: Caller, state: web::Data<AppState>, req: HttpRequest, path: web::Path<String>) -> Result<impl Responder> {
    let code = QrCode::parse(&path)?;
    let read = async {
        let bag = queries::find(&mut *state.pool.get().await?, &code).await?.ok_or_else(|| not_found(&code))?;
        Ok(KeptBag { area_id: bag.area_id, answer: Tagged::new(&Bag::from(bag), None)? })
    };
    let bag = state.part::<KeptBags>().get(&code, Freshness::of(&req, caller.person()), read).await?;
    if !caller.may_see_area(bag.area_id) {
        return Err(not_found(&code));
    }
    Ok(bag.answer.respond(&req))
}

/// List the children of a parent, in the order in which they were added.
#[utoipa::path(
    operation_id = "list_bag_children", tag = "bags",
    params(("qr_code" = String, Path, description = "Code of the parent", example = "SB12345"), PageQuery),
    responses((status = 200, description = "One page of children; empty for a child bag", body = Page<ChildBag>),
              (status = 404, description = "`bag_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 422, description = "`invalid_qr_code`", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithQuery),
)]
#[get("/bags/{qr_code}/children")]
pub async fn list_bag_children(
    caller: Caller,
    reads: Reads,
    req: HttpRequest,
    path: web::Path<String>,
    query: Query<PageQuery>,
) -> Result<impl Responder> {
    let code = QrCode::parse(&path)?;
    let position = Position::new("bag_children", code.as_str());
    let after: Option<(DateTime<Utc>, i64)> = position.key(query.0.cursor.as_deref())?;
    let mut conn = reads.get().await?;
    let parent = find_visible(&mut conn, &caller, &code).await?;
    let children = queries::children(&mut conn, parent.id.unwrap_or_default(), after, query.0.limit.rows_to_read()).await?;
    Ok(Page::new(children, query.0.limit, &position, |child| (child.linked_at, child.id)).into_response(&req))
}

/// List the history of a bag, newest first.
///
/// Dispatchers see the events of their own area.
#[utoipa::path(
    operation_id = "list_bag_history", tag = "bags",
    params(("qr_code" = String, Path, description = "Code of the bag", example = "SB12345"), PageQuery),
    responses((status = 200, description = "One page of scans and changes", body = Page<HistoryEntry>),
              (status = 404, description = "`bag_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 422, description = "`invalid_qr_code`", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithQuery),
)]
#[get("/bags/{qr_code}/history")]
pub async fn list_bag_history(
    caller: Caller,
    reads: Reads,
    req: HttpRequest,
    path: web::Path<String>,
    query: Query<PageQuery>,
) -> Result<impl Responder> {
    let code = QrCode::parse(&path)?;
    let position = Position::new("bag_history", code.as_str());
    let before: Option<Uuid> = position.key(query.0.cursor.as_deref())?;
    let mut conn = reads.get().await?;
    find_visible(&mut conn, &caller, &code).await?;
    let entries = history(&mut conn, &code, caller.own_area_only(), before, query.0.limit.rows_to_read()).await?;
    Ok(Page::new(entries, query.0.limit, &position, |entry| entry.id).into_response(&req))
}

/// Complete a parent bag before it is full.
#[utoipa::path(
    operation_id = "complete_bag", tag = "bags", params(("qr_code" = String, Path, description = "Code of the parent", example = "SB12345")),
    responses((status = 200, description = "Completed", body = Bag),
              (status = 404, description = "`bag_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`empty_parent`, `kind_mismatch` or `parent_on_completed_bill`", body = Problem, content_type = "application/problem+json"),
              (status = 422, description = "`invalid_qr_code`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[post("/bags/{qr_code}/complete")]
pub async fn complete_bag(
    caller: Caller,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    path: web::Path<String>,
) -> Result<impl Responder> {
    let code = QrCode::parse(&path)?;
    let set = async |conn: &mut AsyncPgConnection| Ok(Reply::ok(&Bag::from(set_status(conn, &caller, &client, &code, BagStatus::Completed).await?))?);
    idempotency.run(&mut *state.pool.get().await?, set).await
}

/// Reopen a completed parent bag.
#[utoipa::path(
    operation_id = "reopen_bag", tag = "bags", params(("qr_code" = String, Path, description = "Code of the parent", example = "SB12345")),
    responses((status = 200, description = "Reopened", body = Bag),
              (status = 404, description = "`bag_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`kind_mismatch` or `parent_on_completed_bill`", body = Problem, content_type = "application/problem+json"),
              (status = 422, description = "`invalid_qr_code`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[post("/bags/{qr_code}/reopen")]
pub async fn reopen_bag(
    caller: Caller,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    path: web::Path<String>,
) -> Result<impl Responder> {
    let code = QrCode::parse(&path)?;
    let set = async |conn: &mut AsyncPgConnection| Ok(Reply::ok(&Bag::from(set_status(conn, &caller, &client, &code, BagStatus::Open).await?))?);
    idempotency.run(&mut *state.pool.get().await?, set).await
}

/// Move a child to another parent, or remove it from its parent.
#[utoipa::path(
    operation_id = "change_bag_parent", tag = "bags", params(("qr_code" = String, Path, description = "Code of the child", example = "CB-000123")),
    request_body = ChangeParentRequest,
    responses((status = 200, description = "The changed child", body = Bag),
              (status = 404, description = "`bag_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`kind_mismatch`, `unknown_parent`, `parent_full`, `parent_completed`, `parent_on_completed_bill`, \
                                            `looks_like_parent` or `product_barcode`",
               body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithBody),
)]
#[put("/bags/{qr_code}/parent")]
pub async fn change_bag_parent(
    biller: RequireRole<Biller>,
    client: Client,
    state: web::Data<AppState>,
    path: web::Path<String>,
    body: Json<ChangeParentRequest>,
) -> Result<impl Responder> {
    let child = QrCode::parse(&path)?;
    let parent = body.0.parent_qr_code.as_deref().map(QrCode::parse).transpose()?;
    let mut conn = state.pool.get().await?;
    let formats = state.part::<SharedFormats>().current();
    let moved = change_parent::change_parent(&mut conn, &biller.caller, &client, &formats, &child, parent.as_ref()).await?;
    Ok(web::Json(Bag::from(moved)))
}

async fn find_visible(conn: &mut AsyncPgConnection, caller: &Caller, code: &QrCode) -> Result<BagRecord> {
    let bag = queries::find(conn, code).await?;
    bag.filter(|bag| caller.may_see_area(bag.area_id)).ok_or_else(|| not_found(code))
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list_bags)
        .service(get_bag)
        .service(list_bag_children)
        .service(list_bag_history)
        .service(complete_bag)
        .service(reopen_bag)
        .service(change_bag_parent);
}
