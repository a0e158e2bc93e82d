//! Scanning over HTTP.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, Responder, get, post, web};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;
use validator::Validate;

use super::answer::{RecordedScan, ScanProblem, ScanResponse};
use super::model::{Scan, ScanKind, ScanOutcome, ScanSource, check_time, id_at, time_of};
use super::queries::{self, ScanFilter};
use super::record_scans::Recorded;
use super::rules::{ScanCommand, ScannedBy};
use super::undo_scan::{self, UndoResponse};
use crate::audit::Actor;
use crate::bag_formats::qr_code::QrCode;
use crate::bags::model::Bag;
use crate::consistency::{Reads, Writes};
use crate::dispatch_areas;
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::http::etag;
use crate::http::json::{self, Json};
use crate::http::page::{Count, Page, Position, SortedPageQuery, fingerprint_of};
use crate::http::query::FilterQuery;
use crate::http::responses::{Always, SignedIn, WithBody, WithQuery};
use crate::idempotency::{Idempotency, Reply};
use crate::identity::Caller;
use crate::identity::client::Client;
use crate::identity::{Role, UserId};
use crate::scans::record_scans::ScanWriter;
use crate::state::AppState;

/// Largest body of a batch: 500 scans of the longest codes, in bytes.
const BATCH_LIMIT_BYTES: usize = 512 * 1024;

/// One scanned code.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ScanRequest {
    /// The scanned text; trimmed and upper-cased by the server.
    #[schema(example = "CB-000123")]
    pub qr_code: String,
    /// The open parent of the station. If absent, the code of a parent opens that parent, and the
    /// code of a child looks it up.
    #[schema(required = false, example = "SB12345")]
    pub parent_qr_code: Option<String>,
    /// UUIDv7, generated when the code was scanned. Sending it again returns the same response. The
    /// server generates an id if it is absent.
    #[schema(required = false, value_type = Option<Uuid>, example = "019ab0f2-7c31-7b66-8d35-2f4d6e2b9a11")]
    pub id: Option<String>,
    /// Time of the scan; defaults to the time in the id, or to now. At most 30 days ago, and at
    /// most 2 minutes in the future.
    #[schema(required = false)]
    pub scanned_at: Option<DateTime<Utc>>,
    /// Source of the code; `api` by default.
    #[schema(required = false)]
    pub source: Option<ScanSource>,
}

impl ScanRequest {
    fn into_command(self, by: &Arc<ScannedBy>, now: DateTime<Utc>) -> Result<ScanCommand> {
        let id = match &self.id {
            Some(given) => {
                let id =
                    Uuid::try_parse(given).map_err(|_| Error::refused(ErrorCode::InvalidScanId, "The id of a scan must be a UUID of version 7."))?;
                check_time(time_of(id)?, now)?;
                id
            }
            None => match self.scanned_at {
                Some(moment) => {
                    check_time(moment, now)?;
                    id_at(moment)
                }
                None => Uuid::now_v7(),
            },
        };
        let scanned_at = self.scanned_at.map_or_else(|| time_of(id), Ok)?.trunc_subsecs(6);
        check_time(scanned_at, now)?;
        Ok(ScanCommand {
            id,
            code: QrCode::parse(&self.qr_code)?,
            parent: self.parent_qr_code.as_deref().map(QrCode::parse).transpose()?,
            scanned_at,
            source: self.source.unwrap_or(ScanSource::Api),
            by: by.clone(),
        })
    }
}

/// The scans of an offline queue.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ScanBatchRequest {
    /// 1 to 500 scans, applied in the order of their times. A malformed scan is refused without
    /// affecting the others.
    // Raw values, so that a fault in one scan can't fail its neighbours.
    #[validate(length(min = 1, max = 500))]
    #[schema(value_type = Vec<ScanRequest>, min_items = 1, max_items = 500)]
    pub scans: Vec<Value>,
}

/// The result for each scan, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScanBatchResponse {
    pub results: Vec<ScanBatchResult>,
}

/// The result for one scan of a batch.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ScanBatchResult {
    /// The id from the request, or a generated one; null if the scan was too malformed.
    #[schema(required, example = "019ab0f2-7c31-7b66-8d35-2f4d6e2b9a11")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub kind: Option<ScanKind>,
    /// Null if the scan was malformed: the result is then a problem, and no event was recorded.
    #[schema(required)]
    pub outcome: Option<ScanOutcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub scanned_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub bag: Option<Bag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub parent: Option<Bag>,
    /// The parent that contains the child, if that is the reason for the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<String>)]
    pub linked_parent_qr_code: Option<QrCode>,
    /// The reason for the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub problem: Option<Problem>,
}

impl ScanBatchResult {
    fn refused(id: Option<String>, error: Error) -> Self {
        Self { id, problem: Some(error.into_refusal().problem()), ..Self::default() }
    }

    fn recorded(recorded: RecordedScan) -> Self {
        // What the problem of a single scan carries in `scan` stands beside the problem here.
        let problem = recorded.refusal().map(|error| Problem { extensions: None, ..error.into_refusal().problem() });
        let response = recorded.response;
        Self {
            id: Some(response.id.to_string()),
            kind: Some(response.kind),
            outcome: Some(response.outcome),
            scanned_at: Some(response.scanned_at),
            bag: response.bag,
            parent: response.parent,
            linked_parent_qr_code: recorded.linked_parent.filter(|_| response.outcome == ScanOutcome::LinkedElsewhere),
            problem,
        }
    }
}

/// Record a scan.
///
/// Opens a parent, links a child to the open parent, or looks up a bag. The response is sent after
/// the scan is on disk. If a response was lost, send the same `id` again: it returns the first
/// response, and nothing is done twice.
#[utoipa::path(
    operation_id = "record_scan", tag = "scans", request_body = ScanRequest,
    responses((status = 201, description = "Written", body = ScanResponse),
              (status = 200, description = "Written before; the first response again", body = ScanResponse),
              (status = 404, description = "`bag_not_found`: no bag has this code; the scan is recorded as an event", body = ScanProblem, content_type = "application/problem+json"),
              (status = 409, description = "Refused: `linked_elsewhere`, `parent_full`, `parent_completed`, `parent_on_completed_bill`, `kind_mismatch`, \
                                            `other_dispatch_area`, `unknown_parent`, `looks_like_parent` or `product_barcode`; the scan is an event all the same", body = ScanProblem, content_type = "application/problem+json"),
              Always, SignedIn, WithBody),
)]
#[post("")]
pub async fn record_scan(
    caller: Caller,
    client: Client,
    state: web::Data<AppState>,
    writes: Writes,
    body: Json<ScanRequest>,
) -> Result<impl Responder> {
    let by = scanned_by(caller, client);
    let command = body.0.into_command(&by, Utc::now())?;
    let Recorded { answers, position } = state.part::<ScanWriter>().record(vec![command]).await?;
    writes.at(position);
    let recorded = answers.into_iter().next().ok_or_else(|| anyhow::anyhow!("the scan writer lost a scan"))??;
    if let Some(refusal) = recorded.refusal() {
        return Err(refusal);
    }
    if recorded.is_replay {
        return Ok(HttpResponse::Ok().json(recorded.response));
    }
    let location = format!("/api/v1/scans/{}", recorded.response.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(recorded.response))
}

/// Record up to 500 scans.
///
/// Each bag is deleted or refused separately. The response contains the result for each bag, in the
/// order of the request.
#[utoipa::path(
    operation_id = "record_scans", tag = "scans", request_body = ScanBatchRequest,
    responses((status = 200, description = "The result for each scan", body = ScanBatchResponse), Always, SignedIn, WithBody),
)]
#[post("/batch")]
pub async fn record_scans(
    caller: Caller,
    client: Client,
    state: web::Data<AppState>,
    writes: Writes,
    body: Json<ScanBatchRequest, BATCH_LIMIT_BYTES>,
) -> Result<impl Responder> {
    let by = scanned_by(caller, client);
    let now = Utc::now();
    let mut results: Vec<ScanBatchResult> = Vec::with_capacity(body.0.scans.len());
    let mut commands: Vec<(usize, ScanCommand)> = Vec::with_capacity(body.0.scans.len());
    for (index, value) in body.0.scans.into_iter().enumerate() {
        let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
        match json::from_value::<ScanRequest>(value, &format!("/scans/{index}")).and_then(|request| request.into_command(&by, now)) {
            Ok(command) => {
                commands.push((index, command));
                results.push(ScanBatchResult::default());
            }
            Err(error) => results.push(ScanBatchResult::refused(id, error)),
        }
    }
    // A device's scans are applied in the order they were made, whatever order they were queued in.
    commands.sort_by_key(|(_, command)| command.scanned_at);
    let (indexes, commands): (Vec<usize>, Vec<ScanCommand>) = commands.into_iter().unzip();
    if !commands.is_empty() {
        let ids: Vec<Uuid> = commands.iter().map(|command| command.id).collect();
        let Recorded { answers, position } = state.part::<ScanWriter>().record(commands).await?;
        writes.at(position);
        for ((index, id), answer) in indexes.into_iter().zip(ids).zip(answers) {
            results[index] = match answer {
                Ok(recorded) => ScanBatchResult::recorded(recorded),
                Err(error) => ScanBatchResult::refused(Some(id.to_string()), error),
            };
        }
    }
    Ok(web::Json(ScanBatchResponse { results }))
}

/// Undo your last scan.
///
/// Undoes the caller's newest scan that linked a child, within an hour. Sending the request again
/// changes nothing; undo an earlier scan by its id.
#[utoipa::path(
    operation_id = "undo_last_scan", tag = "scans",
    responses((status = 200, description = "Undone", body = UndoResponse),
              (status = 409, description = "`nothing_to_undo`, `scan_superseded` or `parent_on_completed_bill`", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn),
)]
#[post("/undo-last")]
pub async fn undo_last_scan(caller: Caller, client: Client, idempotency: Idempotency, state: web::Data<AppState>) -> Result<impl Responder> {
    let window = undo_window(&state);
    let undo = async |conn: &mut AsyncPgConnection| Ok(Reply::ok(&undo_scan::undo_last_scan(conn, &caller, &client, window).await?)?);
    idempotency.run(&mut *state.pool.get().await?, undo).await
}

/// Undo a scan.
///
/// Allowed within an hour, for the person who scanned, billers and admins. Removes the child from
/// the parent, and reopens a parent that this child had completed. Sending the request again
/// changes nothing.
#[utoipa::path(
    operation_id = "undo_scan", tag = "scans", params(("id" = Uuid, Path, description = "Id of the scan")),
    responses((status = 200, description = "Undone", body = UndoResponse),
              (status = 404, description = "`scan_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`undo_window_passed`, `nothing_to_undo`, `scan_superseded` or `parent_on_completed_bill`",
               body = Problem, content_type = "application/problem+json"),
              (status = 422, description = "`invalid_scan_id`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[post("/{id}/undo")]
pub async fn undo_scan_by_id(
    caller: Caller,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    path: web::Path<String>,
) -> Result<impl Responder> {
    let (id, window) = (parse_id(&path)?, undo_window(&state));
    let undo = async |conn: &mut AsyncPgConnection| Ok(Reply::ok(&undo_scan::undo_scan(conn, &caller, &client, id, window).await?)?);
    idempotency.run(&mut *state.pool.get().await?, undo).await
}

/// Show a scan.
#[utoipa::path(
    operation_id = "get_scan", tag = "scans", params(("id" = Uuid, Path, description = "Id of the scan")),
    responses((status = 304, description = "Unchanged since the `ETag` in If-None-Match"),
              (status = 200, description = "The scan", body = Scan),
              (status = 404, description = "`scan_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 422, description = "`invalid_scan_id`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[get("/{id}")]
pub async fn get_scan(caller: Caller, reads: Reads, req: HttpRequest, path: web::Path<String>) -> Result<impl Responder> {
    let id = parse_id(&path)?;
    let scan = queries::find_listed(&mut *reads.get().await?, id).await?;
    let may_see = |scan: &Scan| caller.role >= Role::Biller || scan.user.id == caller.user_id || scan.dispatch_area == caller.area;
    let scan = scan.filter(may_see).ok_or_else(|| Error::refused(ErrorCode::ScanNotFound, "No scan has this id."))?;
    etag::respond(&req, &scan, None)
}

/// The filters of scans.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ScansQuery {
    pub user_id: Option<i64>,
    /// Code of a bag: scans of this bag, or into it.
    pub bag: Option<String>,
    pub kind: Option<ScanKind>,
    pub outcome: Option<ScanOutcome>,
    /// Code of a dispatch area.
    pub area: Option<String>,
    pub scanned_after: Option<DateTime<Utc>>,
    pub scanned_before: Option<DateTime<Utc>>,
}

impl ScansQuery {
    /// The filter for a caller who sees only their `own` area, if any.
    ///
    /// # Errors
    /// Returns 422 `invalid_qr_code`. Fails if the database can't be read.
    pub async fn filter(&self, conn: &mut AsyncPgConnection, own: Option<i32>) -> Result<ScanFilter> {
        Ok(ScanFilter {
            user_id: self.user_id.map(UserId),
            bag: self.bag.as_deref().map(QrCode::parse).transpose()?,
            kind: self.kind,
            outcome: self.outcome,
            area_id: dispatch_areas::narrowed(conn, own, self.area.as_deref()).await?,
            scanned_after: self.scanned_after,
            scanned_before: self.scanned_before,
        })
    }
}

/// List scans, newest first.
#[utoipa::path(
    operation_id = "list_scans", tag = "scans", params(ScansQuery, SortedPageQuery),
    responses((status = 200, description = "One page of scans the caller may see", body = Page<Scan>),
              (status = 422, description = "`invalid_qr_code`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithQuery),
)]
#[get("")]
pub async fn list_scans(caller: Caller, reads: Reads, req: HttpRequest, query: FilterQuery<ScansQuery, SortedPageQuery>) -> Result<impl Responder> {
    let FilterQuery(query, page) = query;
    let mut conn = reads.get().await?;
    let filter = query.filter(&mut conn, caller.own_area_only()).await?;
    let filters = fingerprint_of(&(&query, page.sort, caller.own_area_only()));
    let position = Position::new("scans", &filters);
    let before = position.key(page.cursor.as_deref())?;
    let wanted = page.limit.rows_to_read();
    let scans = queries::list_sorted(&mut conn, &filter, page.sort, before, wanted).await?;
    let total = match page.count {
        Some(Count::Exact) => Some(queries::count(&mut conn, &filter).await?),
        None => None,
    };
    let page = Page::new(scans, page.limit, &position, |scan| scan.id);
    Ok(page.with_total(total).into_response(&req))
}

fn scanned_by(caller: Caller, client: Client) -> Arc<ScannedBy> {
    let actor = Actor::person(caller.user_id, &caller.username, &client);
    Arc::new(ScannedBy { caller, actor })
}

fn undo_window(state: &AppState) -> TimeDelta {
    TimeDelta::seconds(state.config.undo_window_seconds)
}

fn parse_id(text: &str) -> Result<Uuid> {
    let id = Uuid::try_parse(text).map_err(|_| Error::refused(ErrorCode::InvalidScanId, "The id of a scan is a UUID of version 7."))?;
    time_of(id)?;
    Ok(id)
}

/// Mounts the calls of this feature, at `/scans`.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(record_scan).service(record_scans).service(undo_last_scan).service(undo_scan_by_id).service(list_scans).service(get_scan);
}
