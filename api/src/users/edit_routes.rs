//! One user at a time over HTTP: show, change, unlock, set the password, delete.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder, delete, get, patch, post, web};
use diesel_async::AsyncPgConnection;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::edit_user::{self, UserChanges, not_found};
use super::erasure;
use super::model::User;
use super::queries;
use super::routes::is_username;
use crate::access::password;
use crate::access::revocations::Revocations;
use crate::consistency::Reads;
use crate::db::transaction;
use crate::dispatch_areas;
use crate::error::{Error, FieldError, Problem, Result};
use crate::http::etag::{self, IfMatch};
use crate::http::json::{Json, MergePatch, present};
use crate::http::responses::{Always, SignedIn, WithBody, WithIfMatch};
use crate::http::text::no_control_characters;
use crate::idempotency::{Idempotency, Reply};
use crate::identity::client::Client;
use crate::identity::{Admin, Caller, RequireRole};
use crate::identity::{Role, UserId};
use crate::state::AppState;

/// A merge patch of a user: absent fields do not change.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ChangeUserRequest {
    #[validate(length(min = 1, max = 64), custom(function = is_username))]
    #[schema(required = false, nullable = false, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    pub username: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[validate(email, length(max = 254), custom(function = no_control_characters))]
    #[schema(required = false, value_type = Option<String>, max_length = 254)]
    pub email: Option<Option<String>>,
    /// Admins cannot change their own role.
    #[schema(required = false, nullable = false)]
    pub role: Option<Role>,
    /// Code of an active dispatch area; required for dispatchers.
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 64), custom(function = no_control_characters))]
    #[schema(required = false, value_type = Option<String>, min_length = 1, max_length = 64)]
    pub dispatch_area: Option<Option<String>>,
    /// False ends all sessions immediately.
    #[schema(required = false, nullable = false)]
    pub is_active: Option<bool>,
}

/// A new password for another person.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SetPasswordRequest {
    /// 8 to 128 characters with an uppercase letter, a lowercase letter, a digit and a symbol; not
    /// a common password, and without the username.
    #[schema(example = "Correct-Horse7", min_length = 8, max_length = 128)]
    pub new_password: String,
}

/// The admin who calls, and the user that the path names, whose account the caller may change.
///
/// # Errors
/// As [`RequireRole`]; 404 `user_not_found` for what is no id; 403 of
/// [`Caller::check_may_change_account`].
pub struct Managed {
    pub caller: Caller,
    pub id: UserId,
}

impl FromRequest for Managed {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let mut managed = || {
            let RequireRole { caller, .. } = RequireRole::<Admin>::from_request(req, payload).into_inner()?;
            let path = web::Path::<String>::from_request(req, payload).into_inner().map_err(|_| not_found())?;
            let id = parse_id(&path)?;
            caller.check_may_change_account(id)?;
            Ok(Self { caller, id })
        };
        ready(managed())
    }
}

/// Show a user.
#[utoipa::path(
    operation_id = "get_user", tag = "users", params(("id" = i64, Path, description = "Id of the user")),
    responses((status = 200, description = "The user; send its `ETag` in If-Match", body = User), (status = 304, description = "Unchanged"),
              (status = 404, description = "`user_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[get("/users/{id}")]
pub async fn get_user(_admin: RequireRole<Admin>, reads: Reads, req: HttpRequest, path: web::Path<String>) -> Result<impl Responder> {
    let found = queries::find(&mut *reads.get().await?, parse_id(&path)?).await?;
    let (row, area) = found.filter(|(row, _)| row.anonymised_at.is_none()).ok_or_else(not_found)?;
    let version = row.version;
    etag::respond(&req, &User::from_row(row, area), Some(version))
}

/// Change a user.
///
/// A new username, role or area, or disabling the account, ends the person's sessions immediately.
#[utoipa::path(
    operation_id = "change_user", tag = "users", params(("id" = i64, Path, description = "Id of the user")),
    request_body(content = ChangeUserRequest, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The changed user", body = User),
              (status = 404, description = "`user_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`last_admin`, `own_role`, `username_taken` or `email_taken`", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithBody, WithIfMatch),
)]
#[patch("/users/{id}")]
pub async fn change_user(
    managed: Managed,
    client: Client,
    if_match: IfMatch,
    state: web::Data<AppState>,
    req: HttpRequest,
    body: MergePatch<ChangeUserRequest>,
) -> Result<impl Responder> {
    let Managed { caller, id } = managed;
    let MergePatch(request) = body;
    let mut conn = state.pool.get().await?;
    let area_id = match &request.dispatch_area {
        None => None,
        Some(None) => Some(None),
        Some(Some(code)) => {
            let unknown = || FieldError::new("/dispatch_area", "unknown_dispatch_area", format!("There is no active dispatch area \"{code}\"."));
            let area = dispatch_areas::find_active(&mut conn, code).await?;
            Some(Some(area.ok_or_else(|| Error::invalid(vec![unknown()]))?.0))
        }
    };
    let changes = UserChanges { username: request.username, email: request.email, role: request.role, area_id, is_active: request.is_active };
    let changed = transaction(&mut conn, async |conn| edit_user::change(conn, &caller, &client, id, &if_match, &changes).await).await?;
    state.part::<Revocations>().revoke(changed.ended);
    etag::respond(&req, &changed.user, Some(changed.user.version))
}

/// Delete a user.
///
/// The account ends immediately. The username and email address are erased from all stored data,
/// and the work of the person stays as the work of `deleted-<id>`. With millions of audit entries,
/// erasing takes minutes and continues after the response.
#[utoipa::path(
    operation_id = "delete_user", tag = "users", params(("id" = i64, Path, description = "Id of the user")),
    responses((status = 204, description = "Deleted; all sessions have ended"),
              (status = 404, description = "`user_not_found`", body = Problem, content_type = "application/problem+json"),
              (status = 409, description = "`last_admin`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithIfMatch),
)]
#[delete("/users/{id}")]
pub async fn delete_user(managed: Managed, client: Client, if_match: IfMatch, state: web::Data<AppState>) -> Result<impl Responder> {
    let Managed { caller, id } = managed;
    let delete = async |conn: &mut AsyncPgConnection| edit_user::delete(conn, &caller, &client, id, &if_match).await;
    let ended = transaction(&mut *state.pool.get().await?, delete).await?;
    state.part::<Revocations>().revoke(ended);
    erasure::begin(&state, id).await;
    Ok(HttpResponse::NoContent().finish())
}

/// Unlock an account that is locked after too many wrong passwords.
#[utoipa::path(
    operation_id = "unlock_user", tag = "users", params(("id" = i64, Path, description = "Id of the user")),
    responses((status = 200, description = "The changed user", body = User),
              (status = 404, description = "`user_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[post("/users/{id}/unlock")]
pub async fn unlock_user(managed: Managed, client: Client, idempotency: Idempotency, state: web::Data<AppState>) -> Result<impl Responder> {
    let Managed { caller, id } = managed;
    let unlock = async |conn: &mut AsyncPgConnection| {
        let user = edit_user::unlock(conn, &caller, &client, id).await?;
        Ok(Reply::ok(&user)?.with_version(user.version))
    };
    idempotency.run(&mut *state.pool.get().await?, unlock).await
}

/// Set a person's password.
///
/// Ends all sessions of the person and unlocks the account. The person must choose another password
/// at the next sign-in, unless `REQUIRE_PASSWORD_CHANGE` is off.
#[utoipa::path(
    operation_id = "set_user_password", tag = "users", params(("id" = i64, Path, description = "Id of the user")), request_body = SetPasswordRequest,
    responses((status = 204, description = "Set"),
              (status = 404, description = "`user_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithBody),
)]
#[post("/users/{id}/password")]
pub async fn set_user_password(
    managed: Managed,
    client: Client,
    idempotency: Idempotency,
    state: web::Data<AppState>,
    body: Json<SetPasswordRequest>,
) -> Result<impl Responder> {
    let Managed { caller, id } = managed;
    let Json(SetPasswordRequest { new_password }) = body;
    let found = queries::find(&mut *state.pool.get().await?, id).await?;
    let (row, _) = found.filter(|(row, _)| row.anonymised_at.is_none()).ok_or_else(not_found)?;
    password::check_strength(&new_password, &row.username, "/new_password")?;
    let hash = password::hash(new_password).await?;
    // No other person knows a password that an admin sets for their own account.
    let is_change_required = state.config.require_password_change && id != caller.user_id;
    let ended = std::sync::Mutex::new(Vec::new());
    let set = async |conn: &mut AsyncPgConnection| {
        let revoked = edit_user::set_password(conn, &caller, &client, id, hash.clone(), is_change_required).await?;
        *ended.lock().expect("no panic while held") = revoked;
        Ok(Reply::no_content())
    };
    let response = idempotency.run(&mut *state.pool.get().await?, set).await?;
    state.part::<Revocations>().revoke(ended.into_inner().expect("no panic while held"));
    Ok(response)
}

fn parse_id(text: &str) -> Result<UserId> {
    text.parse().map(UserId).map_err(|_| not_found())
}

/// Mounts the calls of this module.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(get_user).service(change_user).service(delete_user).service(unlock_user).service(set_user_password);
}
