//! The HTTP API of bills.

use actix_web::{HttpRequest, HttpResponse, Responder, delete, get, patch, post, web};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::add_bags::{self, AddBagsResponse};
use super::edit_bill::{self, BillChanges, NewBill};
use super::finish_bill;
use super::model::{Bill, BillNumber, BillStatus, BilledBag};
use super::queries::{self, BillFilter};
use super::report;
use crate::bag_formats::qr_code::QrCode;
use crate::consistency::Reads;
use crate::db::transaction;
use crate::dispatch_areas;
use crate::documents::document::Format;
use crate::error::{Error, FieldError, Problem, Result};
use crate::http::etag::{self, IfMatch};
use crate::http::json::{Json, MergePatch, present};
use crate::http::page::{Count, Page, PageQuery, Position, SortedPageQuery, fingerprint_of};
use crate::http::query::{FilterQuery, Query};
use crate::http::responses::{Always, SignedIn, WithBody, WithIfMatch, WithQuery};
use crate::http::text::{is_filled, no_control_characters, search_term};
use crate::idempotency::{Idempotency, Reply};
use crate::identity::client::Client;
use crate::identity::{Admin, Biller, Caller, RequireRole};
use crate::state::AppState;

/// A bill to create.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CreateBillRequest {
    /// Letters, digits, and `.`, `_`, `-` inside. The server generates a number if it is absent.
    #[schema(required = false, example = "BILL-000001", max_length = 64)]
    pub bill_number: Option<String>,
    #[validate(length(min = 1, max = 1000), custom(function = no_control_characters))]
    #[schema(required = false, min_length = 1, max_length = 1000)]
    pub description: Option<String>,
    #[validate(length(min = 1, max = 200), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(example = "Jaipur depot", min_length = 1, max_length = 200)]
    pub destination: String,
    #[validate(length(min = 1, max = 32), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(example = "RJ14 GB 1234", min_length = 1, max_length = 32)]
    pub vehicle_number: String,
    /// Expected number of parent bags.
    #[validate(range(min = 1, max = 100_000))]
    #[schema(example = 40, minimum = 1, maximum = 100_000)]
    pub expected_parent_bags: i32,
}

/// A merge patch of a bill: absent fields do not change.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ChangeBillRequest {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 1000), custom(function = no_control_characters))]
    #[schema(required = false, value_type = Option<String>, min_length = 1, max_length = 1000)]
    pub description: Option<Option<String>>,
    #[validate(length(min = 1, max = 200), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(required = false, nullable = false, min_length = 1, max_length = 200)]
    pub destination: Option<String>,
    #[validate(length(min = 1, max = 32), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(required = false, nullable = false, min_length = 1, max_length = 32)]
    pub vehicle_number: Option<String>,
    /// Not less than the number of parent bags on the bill.
    #[validate(range(min = 1, max = 100_000))]
    #[schema(required = false, nullable = false, minimum = 1, maximum = 100_000)]
    pub expected_parent_bags: Option<i32>,
}

/// Parent bags to add to a bill.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AddBagsRequest {
    /// 1 to 500 codes. Each bag is accepted or refused separately.
    #[validate(length(min = 1, max = 500))]
    #[schema(min_items = 1, max_items = 500, example = json!(["SB12345", "M444-12345"]))]
    pub qr_codes: Vec<String>,
}

/// The reason for reopening a finished bill.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ReopenBillRequest {
    #[validate(length(min = 1, max = 1000), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(example = "Two bags were left behind.", min_length = 1, max_length = 1000)]
    pub reason: String,
}

/// The filters of bills.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BillsQuery {
    /// Part of the number, destination or vehicle number.
    pub q: Option<String>,
    pub status: Option<BillStatus>,
    /// Id of the user who created it.
    pub created_by: Option<i64>,
    pub created_after: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
    /// Code of a dispatch area: only bills with bags of this area.
    pub area: Option<String>,
}

impl BillsQuery {
    /// The filter for a caller who sees only their `own` area, if any.
    ///
    /// # Errors
    /// Fails if the database can't be read.
    pub async fn filter(&self, conn: &mut AsyncPgConnection, own: Option<i32>) -> Result<BillFilter> {
        Ok(BillFilter {
            q: search_term(self.q.as_ref()),
            status: self.status,
            created_by: self.created_by,
            area_id: dispatch_areas::narrowed(conn, own, self.area.as_deref()).await?,
            created_after: self.created_after,
            created_before: self.created_before,
        })
    }
}

/// Format of a report.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// `json` by default.
    #[serde(default)]
    #[param(inline, value_type = Option<Format>)]
    pub format: Format,
}

/// List bills, newest first.
///
/// Dispatchers see bills with bags of their own area.
#[utoipa::path(
    operation_id = "list_bills", tag = "bills", params(BillsQuery, SortedPageQuery),
    responses((status = 200, description = "One page of the bills that the caller may see", body = Page<Bill>), Always, SignedIn, WithQuery),
)]
#[get("/bills")]
pub async fn list_bills(caller: Caller, reads: Reads, req: HttpRequest, query: FilterQuery<BillsQuery, SortedPageQuery>) -> Result<impl Responder> {
    let FilterQuery(query, page) = query;
    let mut conn = reads.get().await?;
    let filter = query.filter(&mut conn, caller.own_area_only()).await?;
    let filters = fingerprint_of(&(&query, page.sort, caller.own_area_only()));
    let position = Position::new("bills", &filters);
    let before = position.key(page.cursor.as_deref())?;
    let wanted = page.limit.rows_to_read();
    let bills = queries::list_sorted(&mut conn, &filter, page.sort, before, wanted).await?;
    let total = match page.count {
        Some(Count::Exact) => Some(queries::count(&mut conn, &filter).await?),
        None => None,
    };
    let page = Page::new(bills, page.limit, &position, |bill| bill.id);
    Ok(page.map(Bill::from).with_total(total).into_response(&req))
}

/// Create a bill.
#[utoipa::path(
    operation_id = "create_bill", tag = "bills", request_body = CreateBillRequest,
    responses((status = 201, description = "Created; `Location` is its address", body = Bill),
              (status = 409, description = "`bill_exists`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithBody),
)]
#[post("/bills")]
pub async fn create_bill(
    biller: RequireRole<Biller>,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    body: Json<CreateBillRequest>,
) -> Result<impl Responder> {
    let Json(request) = body;
    let new = NewBill {
        number: request.bill_number.as_deref().map(parse_number).transpose()?,
        description: request.description,
        destination: request.destination.trim().to_owned(),
        vehicle_number: request.vehicle_number.trim().to_uppercase(),
        expected_parent_bags: request.expected_parent_bags,
    };
    let create = async |conn: &mut AsyncPgConnection| {
        let bill = Bill::from(edit_bill::create(conn, &biller.caller, &client, &new).await?);
        Ok(Reply::created(format!("/api/v1/bills/{}", bill.bill_number), &bill)?.with_version(bill.version))
    };
    idempotency.run(&mut *state.pool.get().await?, create).await
}

/// Show a bill.
#[utoipa::path(
    operation_id = "get_bill", tag = "bills", params(("bill_number" = String, Path, description = "Number of the bill", example = "BILL-000001")),
    responses((status = 200, description = "The bill; send its `ETag` in If-Match", body = Bill), (status = 304, description = "Unchanged"),
              (status = 404, description = "`bill_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[get("/bills/{bill_number}")]
pub async fn get_bill(caller: Caller, reads: Reads, req: HttpRequest, path: web::Path<String>) -> Result<impl Responder> {
    let number = BillNumber::in_path(&path)?;
    let bill = queries::find_visible(&mut *reads.get().await?, &caller, &number).await?.ok_or_else(|| number.not_found())?;
    let version = bill.version;
    etag::respond(&req, &Bill::from(bill), Some(version))
}

/// Change a bill.
#[utoipa::path(
    operation_id = "change_bill", tag = "bills", params(("bill_number" = String, Path, description = "Number of the bill", example = "BILL-000001")),
    request_body(content = ChangeBillRequest, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The changed bill", body = Bill),
              (status = 404, description = "`bill_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`bill_completed` or `bill_at_capacity`", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithBody, WithIfMatch),
)]
#[patch("/bills/{bill_number}")]
pub async fn change_bill(
    biller: RequireRole<Biller>,
    client: Client,
    if_match: IfMatch,
    state: web::Data<AppState>,
    path: web::Path<String>,
    req: HttpRequest,
    body: MergePatch<ChangeBillRequest>,
) -> Result<impl Responder> {
    let number = BillNumber::in_path(&path)?;
    let MergePatch(request) = body;
    let changes = BillChanges {
        description: request.description,
        destination: request.destination.map(|text| text.trim().to_owned()),
        vehicle_number: request.vehicle_number.map(|text| text.trim().to_uppercase()),
        expected_parent_bags: request.expected_parent_bags,
    };
    let bill =
        transaction(&mut *state.pool.get().await?, async |conn| edit_bill::change(conn, &biller.caller, &client, &number, &if_match, &changes).await)
            .await?;
    let version = bill.version;
    etag::respond(&req, &Bill::from(bill), Some(version))
}

/// Delete a bill.
///
/// A finished bill can't be deleted. The bags of the bill can be added to other bills again.
#[utoipa::path(
    operation_id = "delete_bill", tag = "bills", params(("bill_number" = String, Path, description = "Number of the bill", example = "BILL-000001")),
    responses((status = 204, description = "Deleted"),
              (status = 404, description = "`bill_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`bill_completed`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithIfMatch),
)]
#[delete("/bills/{bill_number}")]
pub async fn delete_bill(
    admin: RequireRole<Admin>,
    client: Client,
    if_match: IfMatch,
    state: web::Data<AppState>,
    path: web::Path<String>,
) -> Result<impl Responder> {
    let number = BillNumber::in_path(&path)?;
    let delete = async |conn: &mut AsyncPgConnection| edit_bill::delete(conn, &admin.caller, &client, &number, &if_match).await;
    transaction(&mut *state.pool.get().await?, delete).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List the parent bags of a bill.
///
/// Dispatchers see the bags of their own area.
#[utoipa::path(
    operation_id = "list_bill_bags", tag = "bills",
    params(("bill_number" = String, Path, description = "Number of the bill", example = "BILL-000001"), PageQuery),
    responses((status = 200, description = "One page of parents", body = Page<BilledBag>),
              (status = 404, description = "`bill_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithQuery),
)]
#[get("/bills/{bill_number}/bags")]
pub async fn list_bill_bags(
    caller: Caller,
    reads: Reads,
    req: HttpRequest,
    path: web::Path<String>,
    query: Query<PageQuery>,
) -> Result<impl Responder> {
    let number = BillNumber::in_path(&path)?;
    let position = Position::new("bill_bags", number.as_str());
    let after = position.key(query.0.cursor.as_deref())?;
    let mut conn = reads.get().await?;
    let bill = queries::find_visible(&mut conn, &caller, &number).await?.ok_or_else(|| number.not_found())?;
    let bags = queries::bags(&mut conn, bill.id, caller.own_area_only(), after, query.0.limit.rows_to_read()).await?;
    Ok(Page::new(bags, query.0.limit, &position, |bag| bag.id).into_response(&req))
}

/// Add parent bags to a bill.
///
/// Each bag is accepted or refused separately. The response contains the result for each bag, in
/// the order of the request.
#[utoipa::path(
    operation_id = "add_bill_bags", tag = "bills", params(("bill_number" = String, Path, description = "Number of the bill", example = "BILL-000001")),
    request_body = AddBagsRequest,
    responses((status = 200, description = "The result for each bag, and the bill", body = AddBagsResponse),
              (status = 404, description = "`bill_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`bill_completed`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithBody),
)]
#[post("/bills/{bill_number}/bags")]
pub async fn add_bill_bags(
    biller: RequireRole<Biller>,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    path: web::Path<String>,
    body: Json<AddBagsRequest>,
) -> Result<impl Responder> {
    let number = BillNumber::in_path(&path)?;
    let may_take_open = state.config.bill_open_parents;
    let add = async |conn: &mut AsyncPgConnection| {
        Ok(Reply::ok(&add_bags::add_bags(conn, &biller.caller, &client, &number, &body.0.qr_codes, may_take_open).await?)?)
    };
    idempotency.run(&mut *state.pool.get().await?, add).await
}

/// Remove a parent bag from a bill.
#[utoipa::path(
    operation_id = "remove_bill_bag", tag = "bills",
    params(("bill_number" = String, Path, description = "Number of the bill", example = "BILL-000001"),
           ("qr_code" = String, Path, description = "Code of the parent", example = "SB12345")),
    responses((status = 204, description = "Removed"),
              (status = 404, description = "`bill_not_found`; `bag_not_found` if the bag is not on this bill", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`bill_completed` or `kind_mismatch`", body = Problem, content_type = "application/problem+json"),
              (status = 422, description = "`invalid_qr_code`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[delete("/bills/{bill_number}/bags/{qr_code}")]
pub async fn remove_bill_bag(
    biller: RequireRole<Biller>,
    client: Client,
    state: web::Data<AppState>,
    path: web::Path<(String, String)>,
) -> Result<impl Responder> {
    let (number, code) = (BillNumber::in_path(&path.0)?, QrCode::parse(&path.1)?);
    let remove = async |conn: &mut AsyncPgConnection| add_bags::remove_bag(conn, &biller.caller, &client, &number, &code).await;
    transaction(&mut *state.pool.get().await?, remove).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Finish a bill.
///
/// Locks the bill, its bags and their links.
#[utoipa::path(
    operation_id = "finish_bill", tag = "bills", params(("bill_number" = String, Path, description = "Number of the bill", example = "BILL-000001")),
    responses((status = 200, description = "Finished", body = Bill),
              (status = 404, description = "`bill_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`bill_completed` or `empty_bill`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[post("/bills/{bill_number}/finish")]
pub async fn finish_bill_by_number(
    biller: RequireRole<Biller>,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    path: web::Path<String>,
) -> Result<impl Responder> {
    let number = BillNumber::in_path(&path)?;
    let finish = async |conn: &mut AsyncPgConnection| {
        let bill = Bill::from(finish_bill::finish(conn, &biller.caller, &client, &number).await?);
        Ok(Reply::ok(&bill)?.with_version(bill.version))
    };
    idempotency.run(&mut *state.pool.get().await?, finish).await
}

/// Reopen a finished bill.
#[utoipa::path(
    operation_id = "reopen_bill", tag = "bills", params(("bill_number" = String, Path, description = "Number of the bill", example = "BILL-000001")),
    request_body = ReopenBillRequest,
    responses((status = 200, description = "Reopened", body = Bill),
              (status = 404, description = "`bill_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`bill_not_completed`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithBody),
)]
#[post("/bills/{bill_number}/reopen")]
pub async fn reopen_bill(
    admin: RequireRole<Admin>,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    path: web::Path<String>,
    body: Json<ReopenBillRequest>,
) -> Result<impl Responder> {
    let number = BillNumber::in_path(&path)?;
    let reopen = async |conn: &mut AsyncPgConnection| {
        let bill = Bill::from(finish_bill::reopen(conn, &admin.caller, &client, &number, body.0.reason.trim()).await?);
        Ok(Reply::ok(&bill)?.with_version(bill.version))
    };
    idempotency.run(&mut *state.pool.get().await?, reopen).await
}

/// Show the report of a bill.
///
/// Summary, parents with counts and weights, and children, as JSON, CSV, XLSX or PDF.
#[utoipa::path(
    operation_id = "get_bill_report", tag = "bills",
    params(("bill_number" = String, Path, description = "Number of the bill", example = "BILL-000001"), ReportQuery),
    responses((status = 200, description = "The report", content(
                  (report::BillReport = "application/json"), (String = "text/csv"),
                  (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), (Vec<u8> = "application/pdf"))),
              (status = 404, description = "`bill_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithQuery),
)]
#[get("/bills/{bill_number}/report")]
pub async fn get_bill_report(
    biller: RequireRole<Biller>,
    state: web::Data<AppState>,
    reads: Reads,
    path: web::Path<String>,
    query: Query<ReportQuery>,
) -> Result<impl Responder> {
    let number = BillNumber::in_path(&path)?;
    let mut conn = reads.get().await?;
    let bill = queries::find_visible(&mut conn, &biller.caller, &number).await?.ok_or_else(|| number.not_found())?;
    let report = report::read(&mut conn, bill, None).await?;
    drop(conn);
    crate::documents::respond(query.0.format, &report, report::document, state.config.time_zone).await
}

fn parse_number(typed: &str) -> Result<BillNumber> {
    BillNumber::parse(typed).ok_or_else(|| {
        let detail = "Use 1 to 64 letters and digits. Dots, hyphens and underscores are allowed in between.";
        Error::invalid(vec![FieldError::new("/bill_number", "invalid_bill_number", detail)])
    })
}

/// Registers the routes of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list_bills)
        .service(create_bill)
        .service(get_bill)
        .service(change_bill)
        .service(delete_bill)
        .service(list_bill_bags)
        .service(add_bill_bags)
        .service(remove_bill_bag)
        .service(finish_bill_by_number)
        .service(reopen_bill)
        .service(get_bill_report);
}
