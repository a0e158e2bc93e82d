//! Promotion requests over HTTP.

use actix_web::{HttpRequest, HttpResponse, Responder, get, post, web};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::decide::{self, Outcome, not_found};
use super::model::{PromotionRequest, PromotionStatus, SELECT};
use crate::access::revocations::Revocations;
use crate::consistency::{Reads, Writes};
use crate::db::sql;
use crate::error::{Problem, Result};
use crate::http::json::Json;
use crate::http::page::{Limit, Page, Position};
use crate::http::query::Query;
use crate::http::responses::{Always, SignedIn, WithBody, WithQuery};
use crate::http::text::{is_filled, no_control_characters};
use crate::idempotency::{Idempotency, Reply};
use crate::identity::Role;
use crate::identity::client::Client;
use crate::identity::{Admin, Caller, RequireRole};
use crate::state::AppState;

/// A request for another role.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CreatePromotionRequest {
    pub wanted_role: Role,
    #[validate(length(min = 1, max = 1000), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(example = "I do the bills when Shanti is away.", min_length = 1, max_length = 1000)]
    pub reason: String,
}

/// The admin's decision.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct DecidePromotionRequest {
    #[validate(length(min = 1, max = 1000), custom(function = is_filled), custom(function = no_control_characters))]
    #[schema(required = false, min_length = 1, max_length = 1000)]
    pub note: Option<String>,
}

/// Filters and paging of the list of promotion requests.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListPromotionRequestsQuery {
    pub status: Option<PromotionStatus>,
    /// Rows per page.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    pub limit: Limit,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// List role requests, newest first.
///
/// Admins see all requests, other people their own.
#[utoipa::path(
    operation_id = "list_promotion_requests", tag = "promotion-requests", params(ListPromotionRequestsQuery),
    responses((status = 200, description = "One page of requests", body = Page<PromotionRequest>), Always, SignedIn, WithQuery),
)]
#[get("/promotion-requests")]
pub async fn list_promotion_requests(
    caller: Caller,
    reads: Reads,
    req: HttpRequest,
    query: Query<ListPromotionRequestsQuery>,
) -> Result<impl Responder> {
    let own = (caller.role < Role::Admin).then_some(caller.user_id.0);
    let filters = format!("{own:?} {:?}", query.0.status);
    let position = Position::new("promotion_requests", &filters);
    let before: Option<i64> = position.key(query.0.cursor.as_deref())?;
    let rows: Vec<PromotionRequest> = sql(SELECT)
        .sql("WHERE r.id < $1 AND ($2 IS NULL OR r.user_id = $2) AND ($3 IS NULL OR r.status = $3::promotion_status) ORDER BY r.id DESC LIMIT $4")
        .bind::<BigInt, _>(before.unwrap_or(i64::MAX))
        .bind::<Nullable<BigInt>, _>(own)
        .bind::<Nullable<Text>, _>(query.0.status.map(PromotionStatus::as_str))
        .bind::<BigInt, _>(query.0.limit.rows_to_read())
        .load(&mut *reads.get().await?)
        .await?;
    Ok(Page::new(rows, query.0.limit, &position, |row| row.id).into_response(&req))
}

/// Request another role.
#[utoipa::path(
    operation_id = "create_promotion_request", tag = "promotion-requests", request_body = CreatePromotionRequest,
    responses((status = 201, description = "Created; the admins are notified", body = PromotionRequest),
              (status = 409, description = "`promotion_pending` or `role_not_higher`", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithBody),
)]
#[post("/promotion-requests")]
pub async fn create_promotion_request(
    caller: Caller,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    body: Json<CreatePromotionRequest>,
) -> Result<impl Responder> {
    let ask = async |conn: &mut AsyncPgConnection| {
        let request = decide::ask(conn, &caller, &client, body.0.wanted_role, body.0.reason.trim()).await?;
        Ok(Reply::created(format!("/api/v1/promotion-requests/{}", request.id), &request)?)
    };
    idempotency.run(&mut *state.pool.get().await?, ask).await
}

/// Approve a role request.
///
/// The person gets the role immediately and must sign in again. A request that would not raise the
/// current role of the person is refused with `role_not_higher` and closed.
#[utoipa::path(
    operation_id = "approve_promotion_request", tag = "promotion-requests", params(("id" = i64, Path, description = "Id of the request")),
    request_body = DecidePromotionRequest,
    responses((status = 200, description = "Approved", body = PromotionRequest),
              (status = 404, description = "`promotion_request_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`promotion_decided`, `own_role` or `role_not_higher`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithBody),
)]
#[post("/promotion-requests/{id}/approve")]
pub async fn approve_promotion_request(
    admin: RequireRole<Admin>,
    client: Client,
    idempotency: Idempotency,
    writes: Writes,
    state: web::Data<AppState>,
    path: web::Path<String>,
    body: Json<DecidePromotionRequest>,
) -> Result<impl Responder> {
    let response = decided(&admin.caller, &client, &idempotency, &state, &path, body.0, PromotionStatus::Approved).await?;
    // Also a refusal that closed the request.
    writes.note();
    Ok(response)
}

/// Reject a role request.
#[utoipa::path(
    operation_id = "reject_promotion_request", tag = "promotion-requests", params(("id" = i64, Path, description = "Id of the request")),
    request_body = DecidePromotionRequest,
    responses((status = 200, description = "Refused", body = PromotionRequest),
              (status = 404, description = "`promotion_request_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`promotion_decided` or `own_role`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithBody),
)]
#[post("/promotion-requests/{id}/reject")]
pub async fn reject_promotion_request(
    admin: RequireRole<Admin>,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    path: web::Path<String>,
    body: Json<DecidePromotionRequest>,
) -> Result<impl Responder> {
    decided(&admin.caller, &client, &idempotency, &state, &path, body.0, PromotionStatus::Rejected).await
}

async fn decided(
    admin: &Caller,
    client: &Client,
    idempotency: &Idempotency,
    state: &AppState,
    id: &str,
    body: DecidePromotionRequest,
    status: PromotionStatus,
) -> Result<HttpResponse> {
    let id: i64 = id.parse().map_err(|_| not_found())?;
    let ended = std::sync::Mutex::new(Vec::new());
    let decide = async |conn: &mut AsyncPgConnection| {
        match decide::decide(conn, admin, client, id, status, body.note.as_deref().map(str::trim)).await? {
            Outcome::Decided(request, revoked) => {
                *ended.lock().expect("no panic while held") = revoked;
                Ok(Reply::ok(&request)?)
            }
            // Not as an error: that would undo the closing.
            Outcome::Closed(refusal) => Ok(Reply::refused(refusal)?),
        }
    };
    let response = idempotency.run(&mut *state.pool.get().await?, decide).await?;
    state.part::<Revocations>().revoke(ended.into_inner().expect("no panic while held"));
    Ok(response)
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list_promotion_requests).service(create_promotion_request).service(approve_promotion_request).service(reject_promotion_request);
}
