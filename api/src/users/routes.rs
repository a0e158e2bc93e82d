//! Listing and creating users, for admins.

use actix_web::{HttpRequest, Responder, get, post, web};
use diesel::result::{DatabaseErrorKind, Error as DbError};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::model::User;
use super::queries::{self, NewUser, UserFilter};
use crate::access::password;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::consistency::Reads;
use crate::db::transaction::Abort;
use crate::dispatch_areas;
use crate::error::{Error, ErrorCode, FieldError, Problem, Result};
use crate::http::json::Json;
use crate::http::page::{Page, PageQuery, Position, fingerprint_of};
use crate::http::query::FilterQuery;
use crate::http::responses::{Always, SignedIn, WithBody, WithQuery};
use crate::http::text::{no_control_characters, search_term};
use crate::idempotency::{Idempotency, Reply};
use crate::identity::Role;
use crate::identity::client::Client;
use crate::identity::{Admin, RequireRole};
use crate::state::AppState;

/// The filters of users.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsersQuery {
    /// Part of the user name or e-mail address.
    pub q: Option<String>,
    pub role: Option<Role>,
    pub is_active: Option<bool>,
}

impl UsersQuery {
    /// The filter.
    pub fn filter(&self) -> UserFilter {
        let q = search_term(self.q.as_ref());
        UserFilter { q, role: self.role, is_active: self.is_active }
    }
}

/// A user to create.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CreateUserRequest {
    /// Letters, digits, dots, hyphens and underscores; must not begin with `deleted-`.
    #[validate(length(min = 1, max = 64), custom(function = is_username))]
    #[schema(example = "asha", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    pub username: String,
    /// 8 to 128 characters with an uppercase letter, a lowercase letter, a digit and a symbol; not
    /// a common password, and without the username.
    #[schema(example = "Correct-Horse7", min_length = 8, max_length = 128)]
    pub password: String,
    pub role: Role,
    #[validate(email, length(max = 254), custom(function = no_control_characters))]
    #[schema(example = "asha@example.com", max_length = 254)]
    pub email: Option<String>,
    /// Code of an active dispatch area; required for dispatchers.
    #[validate(length(min = 1, max = 64), custom(function = no_control_characters))]
    #[schema(example = "Lucknow", min_length = 1, max_length = 64)]
    pub dispatch_area: Option<String>,
}

/// Refuses names that could be mistaken for something else.
///
/// # Errors
/// `invalid_username`.
pub fn is_username(name: &str) -> Result<(), validator::ValidationError> {
    if name.chars().all(|c| c.is_alphanumeric() || "._-".contains(c)) {
        return Ok(());
    }
    Err(validator::ValidationError::new("invalid_username").with_message("Use only letters, digits, dots, hyphens and underscores.".into()))
}

/// Is this a name that only erased people have?
pub fn is_reserved(name: &str) -> bool {
    name.to_lowercase().starts_with("deleted-")
}

/// The refusal of a name that [`is_reserved`].
pub fn reserved() -> Error {
    let detail = "Usernames that begin with \"deleted-\" are reserved for deleted users. Choose another.";
    Error::invalid(vec![FieldError::new("/username", "reserved_username", detail)])
}

/// List users.
#[utoipa::path(
    operation_id = "list_users", tag = "users", params(UsersQuery, PageQuery),
    responses((status = 200, description = "One page of users", body = Page<User>), Always, SignedIn, WithQuery),
)]
#[get("/users")]
pub async fn list_users(
    _admin: RequireRole<Admin>,
    reads: Reads,
    req: HttpRequest,
    query: FilterQuery<UsersQuery, PageQuery>,
) -> Result<impl Responder> {
    let FilterQuery(query, page) = query;
    let filters = fingerprint_of(&query);
    let position = Position::new("users", &filters);
    let after = position.key(page.cursor.as_deref())?;
    let mut conn = reads.get().await?;
    let wanted = page.limit.rows_to_read();
    let users = queries::list(&mut conn, &query.filter(), after, wanted).await?;
    Ok(Page::new(users, page.limit, &position, |user| user.id).into_response(&req))
}

/// Create a user.
///
/// The password must be changed at the first sign-in, unless `REQUIRE_PASSWORD_CHANGE` is off.
#[utoipa::path(
    operation_id = "create_user", tag = "users", request_body = CreateUserRequest,
    responses((status = 201, description = "Created; `Location` is its address", body = User),
              (status = 409, description = "`username_taken` or `email_taken`", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithBody),
)]
#[post("/users")]
pub async fn create_user(
    admin: RequireRole<Admin>,
    state: web::Data<AppState>,
    client: Client,
    idempotency: Idempotency,
    body: Json<CreateUserRequest>,
) -> Result<impl Responder> {
    let Json(request) = body;
    if is_reserved(&request.username) {
        return Err(reserved());
    }
    password::check_strength(&request.password, &request.username, "/password")?;
    let mut conn = state.pool.get().await?;
    let area = match &request.dispatch_area {
        Some(code) => Some(dispatch_areas::find_active(&mut conn, code).await?.ok_or_else(|| {
            Error::invalid(vec![FieldError::new("/dispatch_area", "unknown_dispatch_area", format!("There is no active dispatch area \"{code}\"."))])
        })?),
        None if request.role == Role::Dispatcher => {
            return Err(Error::invalid(vec![FieldError::new("/dispatch_area", "missing_field", "A dispatcher needs a dispatch area.")]));
        }
        None => None,
    };
    drop(conn);
    let password_hash = password::hash(request.password).await?;
    let mut conn = state.pool.get().await?;
    let actor = Actor::person(admin.caller.user_id, &admin.caller.username, &client);
    let reply = async |conn: &mut AsyncPgConnection| {
        let user = NewUser {
            username: request.username.clone(),
            email: request.email.clone(),
            password_hash: password_hash.clone(),
            role: request.role,
            dispatch_area_id: area.as_ref().map(|(id, _)| *id),
            password_change_required: state.config.require_password_change,
        };
        let row = queries::insert(conn, user).await.map_err(name_taken)?;
        let entry = Entry::new(Action::UserCreated, Entity::User, row.id).after(json!({
            "username": row.username, "role": row.role, "dispatch_area": area.as_ref().map(|(_, code)| code),
        }));
        audit::record(conn, &actor, vec![entry]).await?;
        let user = User::from_row(row, area.as_ref().map(|(_, code)| code.clone()));
        Ok(Reply::created(format!("/api/v1/users/{}", user.id), &user)?.with_version(user.version))
    };
    idempotency.run(&mut conn, reply).await
}

/// The unique index that was hit says which name is taken.
pub fn name_taken(cause: DbError) -> Abort {
    if let DbError::DatabaseError(DatabaseErrorKind::UniqueViolation, information) = &cause {
        match information.constraint_name() {
            Some("users_username_key") => return Error::refused(ErrorCode::UsernameTaken, "This username is taken. Choose another.").into(),
            Some("users_email_key") => {
                return Error::refused(ErrorCode::EmailTaken, "Another user has this email address. Enter a different one.").into();
            }
            _ => {}
        }
    }
    cause.into()
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list_users).service(create_user);
}
