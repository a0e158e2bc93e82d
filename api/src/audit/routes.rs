//! The audit log over HTTP, for admins.

use actix_web::{HttpRequest, Responder, get, web};
use chrono::{DateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::list_entries::{self, AuditFilter};
use crate::consistency::Reads;
use crate::db::sql;
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::http::etag;
use crate::http::page::{Page, PageQuery, Position, fingerprint_of};
use crate::http::query::FilterQuery;
use crate::http::responses::{Always, SignedIn, WithQuery};
use crate::http::text::{search_term, without_nul};
use crate::identity::{Admin, RequireRole};

/// The actor of an entry.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditActor {
    /// Id of the user.
    #[schema(required, example = 7)]
    pub id: Option<i64>,
    /// Username at the time.
    #[schema(required, example = "asha")]
    pub username: Option<String>,
}

/// The API key that was used.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditApiKey {
    #[schema(example = 3)]
    pub id: i64,
    /// Its current name.
    #[schema(required, example = "Weighbridge")]
    pub name: Option<String>,
}

/// One changed field.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditChange {
    #[schema(example = "destination")]
    pub field: String,
    #[schema(required, value_type = Option<Value>)]
    pub before: Option<Value>,
    #[schema(required, value_type = Option<Value>)]
    pub after: Option<Value>,
}

/// One entry of the audit log: who did what, when and from where.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditEntry {
    /// UUIDv7; the list is sorted by it, newest first.
    pub id: Uuid,
    pub at: DateTime<Utc>,
    /// Null for the system itself and for people who were not signed in.
    #[schema(required)]
    pub actor: Option<AuditActor>,
    /// The API key that the actor used; null for people who were signed in.
    #[schema(required)]
    pub api_key: Option<AuditApiKey>,
    #[schema(example = "bill_changed")]
    pub action: String,
    #[schema(example = "bill")]
    pub entity_type: String,
    #[schema(example = "BILL-000001")]
    pub entity_id: String,
    /// The changed fields before the change.
    #[schema(required, value_type = Option<Object>)]
    pub before: Option<Value>,
    /// The changed fields after the change.
    #[schema(required, value_type = Option<Object>)]
    pub after: Option<Value>,
    /// Both values of each changed field.
    pub changes: Vec<AuditChange>,
    #[schema(required, example = "203.0.113.7")]
    pub ip: Option<String>,
    #[schema(required)]
    pub user_agent: Option<String>,
    #[schema(required)]
    pub request_id: Option<String>,
}

/// An entry as it is stored.
#[derive(QueryableByName)]
pub struct Row {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<BigInt>)]
    actor_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    actor_name: Option<String>,
    #[diesel(sql_type = Text)]
    action: String,
    #[diesel(sql_type = Text)]
    entity_type: String,
    #[diesel(sql_type = Text)]
    entity_id: String,
    #[diesel(sql_type = Nullable<Jsonb>)]
    before: Option<Value>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    after: Option<Value>,
    #[diesel(sql_type = Nullable<Text>)]
    ip: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    user_agent: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    request_id: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    api_key_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    api_key_name: Option<String>,
}

impl From<Row> for AuditEntry {
    fn from(row: Row) -> Self {
        let field = |value: &Option<Value>, name: &str| value.as_ref().and_then(|value| value.get(name)).cloned();
        let mut names: Vec<&String> =
            [&row.before, &row.after].into_iter().flatten().filter_map(Value::as_object).flat_map(|object| object.keys()).collect();
        names.sort();
        names.dedup();
        let changes = names
            .into_iter()
            .map(|name| AuditChange { field: name.clone(), before: field(&row.before, name), after: field(&row.after, name) })
            .collect();
        let is_known = row.actor_id.is_some() || row.actor_name.is_some();
        Self {
            id: row.id,
            at: row.at,
            actor: is_known.then_some(AuditActor { id: row.actor_id, username: row.actor_name }),
            api_key: row.api_key_id.map(|id| AuditApiKey { id, name: row.api_key_name }),
            action: row.action,
            entity_type: row.entity_type,
            entity_id: row.entity_id,
            changes,
            before: row.before,
            after: row.after,
            ip: row.ip,
            user_agent: row.user_agent,
            request_id: row.request_id,
        }
    }
}

/// Columns of a [`Row`].
pub const SELECT: &str = "SELECT id, at, actor_id, actor_name, action, entity_type, entity_id, before, after, ip, user_agent, request_id, api_key_id, \
     (SELECT k.name FROM api_keys k WHERE k.id = audit_logs.api_key_id) AS api_key_name FROM audit_logs ";

/// The filters of the audit log.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditLogsQuery {
    /// Id of the user who acted.
    pub actor_id: Option<i64>,
    /// Id of the API key that was used.
    pub api_key_id: Option<i64>,
    #[param(example = "bill_changed")]
    pub action: Option<String>,
    /// `user`, `session`, `bag`, `bill`, …
    #[param(example = "bill")]
    pub entity_type: Option<String>,
    /// With `entity_type`: the complete history of one entity.
    #[param(example = "BILL-000001")]
    pub entity_id: Option<String>,
    pub request_id: Option<String>,
    pub ip: Option<String>,
    pub after: Option<DateTime<Utc>>,
    pub before: Option<DateTime<Utc>>,
    /// Part of the entity's id or the actor's name; one or two characters match only the start of a
    /// bag code.
    pub q: Option<String>,
}

impl AuditLogsQuery {
    /// The filter.
    pub fn filter(&self) -> AuditFilter {
        AuditFilter {
            actor_id: self.actor_id,
            api_key_id: self.api_key_id,
            action: without_nul(self.action.as_ref()),
            entity_type: without_nul(self.entity_type.as_ref()),
            entity_id: without_nul(self.entity_id.as_ref()),
            request_id: without_nul(self.request_id.as_ref()),
            ip: without_nul(self.ip.as_ref()),
            after: self.after,
            before: self.before,
            q: search_term(self.q.as_ref()),
        }
    }
}

/// List the audit log, newest first.
#[utoipa::path(
    operation_id = "list_audit_logs", tag = "audit-logs", params(AuditLogsQuery, PageQuery),
    responses((status = 200, description = "One page of entries", body = Page<AuditEntry>), Always, SignedIn, WithQuery),
)]
#[get("/audit-logs")]
pub async fn list_audit_logs(
    _admin: RequireRole<Admin>,
    reads: Reads,
    req: HttpRequest,
    query: FilterQuery<AuditLogsQuery, PageQuery>,
) -> Result<impl Responder> {
    let FilterQuery(query, page) = query;
    let filters = fingerprint_of(&query);
    let position = Position::new("audit_logs", &filters);
    let cursor: Option<Uuid> = position.key(page.cursor.as_deref())?;
    let mut conn = reads.get().await?;
    let wanted = page.limit.rows_to_read();
    let rows = list_entries::list(&mut conn, &query.filter(), cursor, wanted).await?;
    let page = Page::new(rows, page.limit, &position, |row| row.id);
    Ok(page.map(AuditEntry::from).into_response(&req))
}

/// Show one entry of the audit log.
#[utoipa::path(
    operation_id = "get_audit_log", tag = "audit-logs", params(("id" = Uuid, Path, description = "Id of the entry")),
    responses((status = 304, description = "Unchanged since the `ETag` in If-None-Match"),
              (status = 200, description = "The entry", body = AuditEntry),
              (status = 404, description = "`audit_log_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[get("/audit-logs/{id}")]
pub async fn get_audit_log(_admin: RequireRole<Admin>, reads: Reads, req: HttpRequest, path: web::Path<String>) -> Result<impl Responder> {
    let not_found = || Error::refused(ErrorCode::AuditLogNotFound, "No entry of the audit log has this id.");
    let id = Uuid::try_parse(&path).map_err(|_| not_found())?;
    let rows: Vec<Row> = sql(SELECT).sql("WHERE id = $1").bind::<SqlUuid, _>(id).load(&mut *reads.get().await?).await?;
    etag::respond(&req, &AuditEntry::from(rows.into_iter().next().ok_or_else(not_found)?), None)
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list_audit_logs).service(get_audit_log);
}
