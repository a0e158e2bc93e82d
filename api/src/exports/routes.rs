//! Exports over HTTP.

use actix_web::{Responder, get, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::format::ExportFormat;
use super::links::{Link, LinkFilter};
use super::sources::Listed;
use super::stream::{self, Export, Turn};
use crate::audit::routes::{AuditEntry, AuditLogsQuery};
use crate::bag_formats::qr_code::QrCode;
use crate::bags::model::Bag;
use crate::bags::routes::BagsQuery;
use crate::bills::model::Bill;
use crate::bills::routes::BillsQuery;
use crate::consistency::Reads;
use crate::dispatch_areas;
use crate::error::{Problem, Result};
use crate::http::query::{BesideFilters, FilterQuery};
use crate::http::responses::{Always, SignedIn, WithQuery};
use crate::identity::client::Client;
use crate::identity::{Admin, Biller, RequireRole};
use crate::scans::model::Scan;
use crate::scans::routes::ScansQuery;
use crate::state::AppState;
use crate::users::model::User;
use crate::users::routes::UsersQuery;

/// The format of an export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FormatQuery {
    /// `csv` by default.
    #[serde(default)]
    #[param(inline, value_type = Option<ExportFormat>)]
    pub format: ExportFormat,
}

impl BesideFilters for FormatQuery {
    const NAMES: &'static [&'static str] = &["format"];
}

/// The filters of links.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LinksQuery {
    /// Code of the parent's dispatch area.
    pub area: Option<String>,
    /// Code of a parent.
    pub parent: Option<String>,
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

/// Export bags, newest first.
#[utoipa::path(
    operation_id = "export_bags", tag = "exports", params(FormatQuery, BagsQuery),
    responses((status = 200, description = "All bags of the filters, as they were when the answer began", content(
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
    query: FilterQuery<BagsQuery, FormatQuery>,
) -> Result<impl Responder> {
    let FilterQuery(query, FormatQuery { format }) = query;
    let mut turn = Turn::take(&state, &reads).await?;
    let filter = query.filter(&mut turn.conn, None).await?;
    let filters = given(&query);
    let caller = &biller.caller;
    let export = Export { name: "bags", format, filters, caller, client: &client };
    let source: Listed<_, Bag> = Listed::new(filter);
    stream::respond(&state, turn, export, source).await
}

/// Export the links between children and parents.
#[utoipa::path(
    operation_id = "export_links", tag = "exports", params(FormatQuery, LinksQuery),
    responses((status = 200, description = "All links of the filters, as they were when the answer began", content(
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
    query: FilterQuery<LinksQuery, FormatQuery>,
) -> Result<impl Responder> {
    let FilterQuery(query, FormatQuery { format }) = query;
    let parent = query.parent.as_deref().map(QrCode::parse).transpose()?;
    let mut turn = Turn::take(&state, &reads).await?;
    let area = query.area.as_deref();
    let area_id = dispatch_areas::narrowed(&mut turn.conn, None, area).await?;
    let filter = LinkFilter { area_id, parent };
    let filters = given(&query);
    let caller = &biller.caller;
    let export = Export { name: "links", format, filters, caller, client: &client };
    let source: Listed<_, Link> = Listed::new(filter);
    stream::respond(&state, turn, export, source).await
}

/// Export bills, newest first.
#[utoipa::path(
    operation_id = "export_bills", tag = "exports", params(FormatQuery, BillsQuery),
    responses((status = 200, description = "All bills of the filters, as they were when the answer began", content(
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
    query: FilterQuery<BillsQuery, FormatQuery>,
) -> Result<impl Responder> {
    let FilterQuery(query, FormatQuery { format }) = query;
    let mut turn = Turn::take(&state, &reads).await?;
    let filter = query.filter(&mut turn.conn, None).await?;
    let filters = given(&query);
    let caller = &biller.caller;
    let export = Export { name: "bills", format, filters, caller, client: &client };
    let source: Listed<_, Bill> = Listed::new(filter);
    stream::respond(&state, turn, export, source).await
}

/// Export scans, newest first.
#[utoipa::path(
    operation_id = "export_scans", tag = "exports", params(FormatQuery, ScansQuery),
    responses((status = 200, description = "All scans of the filters, as they were when the answer began", content(
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
    query: FilterQuery<ScansQuery, FormatQuery>,
) -> Result<impl Responder> {
    let FilterQuery(query, FormatQuery { format }) = query;
    let mut turn = Turn::take(&state, &reads).await?;
    let filter = query.filter(&mut turn.conn, None).await?;
    let filters = given(&query);
    let caller = &biller.caller;
    let export = Export { name: "scans", format, filters, caller, client: &client };
    let source: Listed<_, Scan> = Listed::new(filter);
    stream::respond(&state, turn, export, source).await
}

/// Export the audit log, newest first.
#[utoipa::path(
    operation_id = "export_audit_logs", tag = "exports", params(FormatQuery, AuditLogsQuery),
    responses((status = 200, description = "All entries of the filters, as they were when the answer began", content(
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
    query: FilterQuery<AuditLogsQuery, FormatQuery>,
) -> Result<impl Responder> {
    let FilterQuery(query, FormatQuery { format }) = query;
    let turn = Turn::take(&state, &reads).await?;
    let filter = query.filter();
    let filters = given(&query);
    let caller = &admin.caller;
    let export = Export { name: "audit-logs", format, filters, caller, client: &client };
    let source: Listed<_, AuditEntry> = Listed::new(filter);
    stream::respond(&state, turn, export, source).await
}

/// Export users.
#[utoipa::path(
    operation_id = "export_users", tag = "exports", params(FormatQuery, UsersQuery),
    responses((status = 200, description = "All users of the filters, as they were when the answer began", content(
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
    query: FilterQuery<UsersQuery, FormatQuery>,
) -> Result<impl Responder> {
    let FilterQuery(query, FormatQuery { format }) = query;
    let turn = Turn::take(&state, &reads).await?;
    let filter = query.filter();
    let filters = given(&query);
    let caller = &admin.caller;
    let export = Export { name: "users", format, filters, caller, client: &client };
    let source: Listed<_, User> = Listed::new(filter);
    stream::respond(&state, turn, export, source).await
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(export_bags).service(export_links).service(export_bills).service(export_scans).service(export_audit_logs).service(export_users);
}
