//! Exports over HTTP.

use actix_web::{Responder, get, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::audit_logs::AuditFilter;
use super::format::ExportFormat;
use super::links::LinkFilter;
use super::sources::{AuditLogs, Bags, Bills, Links, Scans, Users};
use super::stream::{self, Export, Turn};
use crate::auth::{Admin, Biller, RequireRole};
use crate::bags::model::{BagKind, BagStatus};
use crate::bags::qr_code::QrCode;
use crate::bags::queries::BagFilter;
use crate::bills::model::BillStatus;
use crate::bills::queries::BillFilter;
use crate::consistency::Reads;
use crate::dispatch_areas;
use crate::error::{Problem, Result};
use crate::http::client::Client;
use crate::http::query::Query;
use crate::http::responses::{Always, SignedIn, WithQuery};
use crate::scans::model::{ScanKind, ScanOutcome};
use crate::scans::queries::ScanFilter;
use crate::state::AppState;
use crate::users::model::{Role, UserId};
use crate::users::queries::UserFilter;

/// Form and filters of an export of bags.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportBagsQuery {
    /// `csv` by default.
    #[serde(default, skip_serializing)]
    #[param(value_type = Option<ExportFormat>)]
    pub format: ExportFormat,
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

/// Form and filters of an export of links.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportLinksQuery {
    /// `csv` by default.
    #[serde(default, skip_serializing)]
    #[param(value_type = Option<ExportFormat>)]
    pub format: ExportFormat,
    /// Code of the parent's dispatch area.
    pub area: Option<String>,
    /// Code of a parent.
    pub parent: Option<String>,
}

/// Form and filters of an export of bills.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportBillsQuery {
    /// `csv` by default.
    #[serde(default, skip_serializing)]
    #[param(value_type = Option<ExportFormat>)]
    pub format: ExportFormat,
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

/// Form and filters of an export of scans.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportScansQuery {
    /// `csv` by default.
    #[serde(default, skip_serializing)]
    #[param(value_type = Option<ExportFormat>)]
    pub format: ExportFormat,
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

/// Form and filters of an export of the audit log.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportAuditLogsQuery {
    /// `csv` by default.
    #[serde(default, skip_serializing)]
    #[param(value_type = Option<ExportFormat>)]
    pub format: ExportFormat,
    pub actor_id: Option<i64>,
    /// Id of the API key that was used.
    pub api_key_id: Option<i64>,
    pub action: Option<String>,
    pub entity_type: Option<String>,
    pub entity_id: Option<String>,
    pub request_id: Option<String>,
    pub ip: Option<String>,
    pub after: Option<DateTime<Utc>>,
    pub before: Option<DateTime<Utc>>,
    /// Part of the actor's name, of the entity's id, or of a changed value.
    pub q: Option<String>,
}

/// Form and filters of an export of users.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportUsersQuery {
    /// `csv` by default.
    #[serde(default, skip_serializing)]
    #[param(value_type = Option<ExportFormat>)]
    pub format: ExportFormat,
    /// Part of the username or email address.
    pub q: Option<String>,
    pub role: Option<Role>,
    pub is_active: Option<bool>,
}

/// The filters that were given, without the empty ones.
fn given<T: Serialize>(query: &T) -> Value {
    let mut filters = serde_json::to_value(query).unwrap_or_default();
    if let Some(filters) = filters.as_object_mut() {
        filters.retain(|_, value| !value.is_null());
    }
    // JSON text can hold NUL, jsonb can't.
    for value in filters.as_object_mut().into_iter().flat_map(|filters| filters.values_mut()) {
        if let Value::String(text) = value {
            text.retain(|c| c != '\0');
        }
    }
    filters
}

/// What was searched for, if anything: NUL can be in a query string, but not in the database.
fn text(given: Option<&String>) -> Option<String> {
    given.map(|text| text.replace('\0', "")).filter(|text| !text.trim().is_empty())
}

/// Export bags, newest first.
#[utoipa::path(
    operation_id = "export_bags", tag = "exports", params(ExportBagsQuery),
    responses((status = 200, description = "All matching bags, as of the start of the response", content(
                  (String = "text/csv"), (String = "application/x-ndjson"),
                  (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
              (status = 422, description = "`too_many_rows` for xlsx", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithQuery),
)]
#[get("/exports/bags")]
pub async fn export_bags(
    biller: RequireRole<Biller>,
    client: Client,
    state: web::Data<AppState>,
    reads: Reads,
    query: Query<ExportBagsQuery>,
) -> Result<impl Responder> {
    let Query(query) = query;
    let mut turn = Turn::take(&state, &reads).await?;
    let filter = BagFilter {
        q: text(query.q.as_ref()),
        kind: query.kind,
        status: query.status,
        area_id: dispatch_areas::narrowed(&mut turn.conn, None, query.area.as_deref()).await?,
        billed: query.billed,
        linked: query.linked,
        created_after: query.created_after,
        created_before: query.created_before,
    };
    let export = Export { name: "bags", format: query.format, filters: given(&query), caller: &biller.caller, client: &client };
    stream::respond(&state, turn, export, Bags { filter, before: None }).await
}

/// Export the links between children and parents.
#[utoipa::path(
    operation_id = "export_links", tag = "exports", params(ExportLinksQuery),
    responses((status = 200, description = "All matching links, as of the start of the response", content(
                  (String = "text/csv"), (String = "application/x-ndjson"),
                  (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
              (status = 422, description = "`too_many_rows` for xlsx, `invalid_qr_code`", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithQuery),
)]
#[get("/exports/links")]
pub async fn export_links(
    biller: RequireRole<Biller>,
    client: Client,
    state: web::Data<AppState>,
    reads: Reads,
    query: Query<ExportLinksQuery>,
) -> Result<impl Responder> {
    let Query(query) = query;
    let parent = query.parent.as_deref().map(QrCode::parse).transpose()?;
    let mut turn = Turn::take(&state, &reads).await?;
    let filter = LinkFilter { area_id: dispatch_areas::narrowed(&mut turn.conn, None, query.area.as_deref()).await?, parent };
    let export = Export { name: "links", format: query.format, filters: given(&query), caller: &biller.caller, client: &client };
    stream::respond(&state, turn, export, Links { filter, after: None }).await
}

/// Export bills, newest first.
#[utoipa::path(
    operation_id = "export_bills", tag = "exports", params(ExportBillsQuery),
    responses((status = 200, description = "All matching bills, as of the start of the response", content(
                  (String = "text/csv"), (String = "application/x-ndjson"),
                  (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
              (status = 422, description = "`too_many_rows` for xlsx", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithQuery),
)]
#[get("/exports/bills")]
pub async fn export_bills(
    biller: RequireRole<Biller>,
    client: Client,
    state: web::Data<AppState>,
    reads: Reads,
    query: Query<ExportBillsQuery>,
) -> Result<impl Responder> {
    let Query(query) = query;
    let mut turn = Turn::take(&state, &reads).await?;
    let filter = BillFilter {
        q: text(query.q.as_ref()),
        status: query.status,
        created_by: query.created_by,
        area_id: dispatch_areas::narrowed(&mut turn.conn, None, query.area.as_deref()).await?,
        created_after: query.created_after,
        created_before: query.created_before,
    };
    let export = Export { name: "bills", format: query.format, filters: given(&query), caller: &biller.caller, client: &client };
    stream::respond(&state, turn, export, Bills { filter, before: None }).await
}

/// Export scans, newest first.
#[utoipa::path(
    operation_id = "export_scans", tag = "exports", params(ExportScansQuery),
    responses((status = 200, description = "All matching scans, as of the start of the response", content(
                  (String = "text/csv"), (String = "application/x-ndjson"),
                  (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
              (status = 422, description = "`too_many_rows` for xlsx, `invalid_qr_code`", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithQuery),
)]
#[get("/exports/scans")]
pub async fn export_scans(
    biller: RequireRole<Biller>,
    client: Client,
    state: web::Data<AppState>,
    reads: Reads,
    query: Query<ExportScansQuery>,
) -> Result<impl Responder> {
    let Query(query) = query;
    let bag = query.bag.as_deref().map(QrCode::parse).transpose()?;
    let mut turn = Turn::take(&state, &reads).await?;
    let filter = ScanFilter {
        user_id: query.user_id.map(UserId),
        bag,
        kind: query.kind,
        outcome: query.outcome,
        area_id: dispatch_areas::narrowed(&mut turn.conn, None, query.area.as_deref()).await?,
        scanned_after: query.scanned_after,
        scanned_before: query.scanned_before,
    };
    let export = Export { name: "scans", format: query.format, filters: given(&query), caller: &biller.caller, client: &client };
    stream::respond(&state, turn, export, Scans { filter, before: None }).await
}

/// Export the audit log, newest first.
#[utoipa::path(
    operation_id = "export_audit_logs", tag = "exports", params(ExportAuditLogsQuery),
    responses((status = 200, description = "All matching entries, as of the start of the response", content(
                  (String = "text/csv"), (String = "application/x-ndjson"),
                  (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
              (status = 422, description = "`too_many_rows` for xlsx", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithQuery),
)]
#[get("/exports/audit-logs")]
pub async fn export_audit_logs(
    admin: RequireRole<Admin>,
    client: Client,
    state: web::Data<AppState>,
    reads: Reads,
    query: Query<ExportAuditLogsQuery>,
) -> Result<impl Responder> {
    let Query(query) = query;
    let wanted = |given: &Option<String>| given.as_ref().map(|text| text.replace('\0', ""));
    let filter = AuditFilter {
        actor_id: query.actor_id,
        api_key_id: query.api_key_id,
        action: wanted(&query.action),
        entity_type: wanted(&query.entity_type),
        entity_id: wanted(&query.entity_id),
        request_id: wanted(&query.request_id),
        ip: wanted(&query.ip),
        after: query.after,
        before: query.before,
        q: text(query.q.as_ref()),
    };
    let export = Export { name: "audit-logs", format: query.format, filters: given(&query), caller: &admin.caller, client: &client };
    let turn = Turn::take(&state, &reads).await?;
    stream::respond(&state, turn, export, AuditLogs { filter, before: None }).await
}

/// Export users.
#[utoipa::path(
    operation_id = "export_users", tag = "exports", params(ExportUsersQuery),
    responses((status = 200, description = "All matching users, as of the start of the response", content(
                  (String = "text/csv"), (String = "application/x-ndjson"),
                  (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
              (status = 422, description = "`too_many_rows` for xlsx", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithQuery),
)]
#[get("/exports/users")]
pub async fn export_users(
    admin: RequireRole<Admin>,
    client: Client,
    state: web::Data<AppState>,
    reads: Reads,
    query: Query<ExportUsersQuery>,
) -> Result<impl Responder> {
    let Query(query) = query;
    let filter = UserFilter { q: text(query.q.as_ref()), role: query.role, is_active: query.is_active };
    let export = Export { name: "users", format: query.format, filters: given(&query), caller: &admin.caller, client: &client };
    let turn = Turn::take(&state, &reads).await?;
    stream::respond(&state, turn, export, Users { filter, after: None }).await
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(export_bags).service(export_links).service(export_bills).service(export_scans).service(export_audit_logs).service(export_users);
}
