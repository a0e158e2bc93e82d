//! Making, listing and revoking API keys, for admins.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, Responder, delete, get, post, web};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::model::{ApiKey, CreatedApiKey, KeyText, RESOURCES, is_scope};
use super::queries::{self, NewApiKey};
use crate::access::revocations::Revocations;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::consistency::Reads;
use crate::db::transaction;
use crate::error::{Error, ErrorCode, FieldError, Problem, Result};
use crate::http::json::Json;
use crate::http::page::{Limit, Page, Position};
use crate::http::query::Query;
use crate::http::responses::{Always, SignedIn, WithBody, WithQuery};
use crate::http::text::no_control_characters;
use crate::identity::UserId;
use crate::identity::client::Client;
use crate::identity::{Admin, RequireRole};
use crate::state::AppState;

/// Paging of the list of keys.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListApiKeysQuery {
    /// Rows per page.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    pub limit: Limit,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// An API key to create.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKeyRequest {
    /// What or who will use it.
    #[validate(length(min = 1, max = 100), custom(function = no_control_characters))]
    #[schema(example = "Weighbridge", min_length = 1, max_length = 100)]
    pub name: String,
    /// `<resource>:read` for GET, `<resource>:write` for everything else; the resource is the first part of the path.
    #[validate(length(min = 1, max = 28))]
    #[schema(example = json!(["bags:read", "scans:write"]), min_items = 1, max_items = 28)]
    pub scopes: Vec<String>,
    /// The key stops working at this time.
    pub expires_at: Option<DateTime<Utc>>,
    /// The creator's own id, or absent: a key acts as the person who creates it.
    #[schema(example = 7)]
    pub user_id: Option<i64>,
    /// The key's own rate limit; the default applies if absent.
    #[validate(range(min = 1, max = 1_000_000))]
    #[schema(example = 600, minimum = 1, maximum = 1_000_000)]
    pub requests_per_minute: Option<i32>,
}

/// List API keys.
///
/// Newest first, including revoked and expired keys.
#[utoipa::path(
    operation_id = "list_api_keys", tag = "api-keys", params(ListApiKeysQuery),
    responses((status = 200, description = "One page of keys", body = Page<ApiKey>), Always, SignedIn, WithQuery),
)]
#[get("/api-keys")]
pub async fn list_api_keys(_admin: RequireRole<Admin>, reads: Reads, req: HttpRequest, query: Query<ListApiKeysQuery>) -> Result<impl Responder> {
    let Query(ListApiKeysQuery { limit, cursor }) = query;
    let position = Position::new("api-keys", "");
    let before = position.key(cursor.as_deref())?;
    let keys = queries::list(&mut *reads.get().await?, before, limit.rows_to_read()).await?;
    Ok(Page::new(keys, limit, &position, |key| key.id).into_response(&req))
}

/// Show an API key.
#[utoipa::path(
    operation_id = "get_api_key", tag = "api-keys", params(("id" = i64, Path, description = "Id of the key", example = 3)),
    responses((status = 200, description = "The key, without its secret", body = ApiKey),
              (status = 404, description = "`api_key_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[get("/api-keys/{id}")]
pub async fn get_api_key(_admin: RequireRole<Admin>, reads: Reads, path: web::Path<String>) -> Result<impl Responder> {
    let id = id(&path)?;
    let key = queries::find(&mut *reads.get().await?, id).await?.ok_or_else(no_such_key)?;
    Ok(web::Json(key))
}

/// Create an API key.
///
/// The key acts as the person who creates it, limited to its scopes, with the current role and
/// dispatch area of that person. It is refused while that person must change the password or set up
/// two-factor authentication. The response shows the key once, because only its hash is stored. For
/// the same reason, the response is not stored for an `Idempotency-Key`: if it was lost, revoke the
/// key and create another.
#[utoipa::path(
    operation_id = "create_api_key", tag = "api-keys", request_body = CreateApiKeyRequest,
    responses((status = 201, description = "Created; `Location` is its address", body = CreatedApiKey),
              (status = 403, description = "`api_key_for_another`, `forbidden`", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithBody),
)]
#[post("/api-keys")]
pub async fn create_api_key(
    admin: RequireRole<Admin>,
    state: web::Data<AppState>,
    client: Client,
    body: Json<CreateApiKeyRequest>,
) -> Result<impl Responder> {
    let Json(request) = body;
    let mut wrong = wrong_scopes(&request.scopes);
    if request.expires_at.is_some_and(|expires_at| expires_at <= Utc::now()) {
        wrong.push(FieldError::new("/expires_at", "in_the_past", "expires_at must be in the future."));
    }
    if request.user_id.is_some_and(|owner| UserId(owner) != admin.caller.user_id) {
        return Err(Error::refused(
            ErrorCode::ApiKeyForAnother,
            "A key acts as the person who creates it. Omit user_id, or have the other person create the key.",
        ));
    }
    if !wrong.is_empty() {
        return Err(Error::invalid(wrong));
    }
    let mut scopes = request.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let new = NewApiKey {
        name: request.name,
        scopes,
        requests_per_minute: request.requests_per_minute,
        created_by: admin.caller.user_id,
        expires_at: request.expires_at,
    };
    let key = KeyText::generate();
    let actor = Actor::person(admin.caller.user_id, &admin.caller.username, &client);
    let api_key = transaction(&mut *state.pool.get().await?, async |conn| {
        let id = queries::insert(conn, &key, new.clone()).await?;
        let entry = Entry::new(Action::ApiKeyCreated, Entity::ApiKey, id).after(json!({
            "name": new.name, "prefix": key.prefix, "scopes": new.scopes, "user_id": new.created_by, "expires_at": new.expires_at,
            "requests_per_minute": new.requests_per_minute,
        }));
        audit::record(conn, &actor, vec![entry]).await?;
        Ok(queries::find(conn, id).await?.ok_or_else(no_such_key)?)
    })
    .await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/api-keys/{}", api_key.id)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(CreatedApiKey { key: key.encode(), api_key }))
}

/// Revoke an API key.
///
/// The key is refused immediately, and by other processes within seconds. Revoking it again has no
/// effect.
#[utoipa::path(
    operation_id = "revoke_api_key", tag = "api-keys", params(("id" = i64, Path, description = "Id of the key", example = 3)),
    responses((status = 204, description = "Revoked"),
              (status = 404, description = "`api_key_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[delete("/api-keys/{id}")]
pub async fn revoke_api_key(
    admin: RequireRole<Admin>,
    state: web::Data<AppState>,
    client: Client,
    path: web::Path<String>,
) -> Result<impl Responder> {
    let id = id(&path)?;
    let actor = Actor::person(admin.caller.user_id, &admin.caller.username, &client);
    transaction(&mut *state.pool.get().await?, async |conn| {
        let key = queries::find(conn, id).await?.ok_or_else(no_such_key)?;
        if queries::revoke(conn, id).await? {
            let entry = Entry::new(Action::ApiKeyRevoked, Entity::ApiKey, id).before(json!({"name": key.name, "prefix": key.prefix}));
            audit::record(conn, &actor, vec![entry]).await?;
        }
        Ok(())
    })
    .await?;
    state.part::<Revocations>().revoke_api_key(id);
    Ok(HttpResponse::NoContent().finish())
}

fn wrong_scopes(scopes: &[String]) -> Vec<FieldError> {
    let unknown = scopes.iter().enumerate().filter(|(_, scope)| !is_scope(scope));
    unknown
        .map(|(index, _)| {
            let detail = format!("A scope is <resource>:read or <resource>:write. Available resources: {}.", RESOURCES.join(", "));
            FieldError::new(format!("/scopes/{index}"), "unknown_scope", detail)
        })
        .collect()
}

fn id(path: &str) -> Result<i64> {
    path.parse().map_err(|_| no_such_key())
}

fn no_such_key() -> Error {
    Error::refused(ErrorCode::ApiKeyNotFound, "No API key has this id.")
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list_api_keys).service(get_api_key).service(create_api_key).service(revoke_api_key);
}
