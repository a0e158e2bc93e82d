//! Sign-in, refresh, sign-out, and one's own account.

use actix_web::{HttpRequest, HttpResponse, Responder, get, post, web};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::sign_in::{Outcome, SignedIn};
use super::{failed_attempt, my_account, password_reset, sign_in, two_factor, two_factor_routes};
use crate::access::attempts::Attempt;
use crate::access::data_key::DataKey;
use crate::access::keys::TokenKeys;
use crate::access::keys::{Claims, TokenUser};
use crate::access::known_device::KnownDevice;
use crate::access::password;
use crate::access::refresh_token::{self, RefreshToken};
use crate::access::revocations::Revocations;
use crate::access::sessions::{self, Rotation};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::db::transaction;
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::http::etag;
use crate::http::json::Json;
use crate::http::origin::KnownOrigin;
use crate::http::responses::{self, Always, WithBody};
use crate::http::text::no_control_characters;
use crate::identity::caller::{AnyFactor, AnyPassword, Caller};
use crate::identity::client::Client;
use crate::mail::MailJob;
use crate::state::AppState;
use crate::users::model::{User, UserRow};
use crate::users::queries;

/// Username or email address, and password.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Username or email address, case-insensitive.
    #[validate(length(min = 1, max = 254), custom(function = no_control_characters))]
    #[schema(example = "asha", min_length = 1, max_length = 254)]
    pub username: String,
    #[validate(length(min = 1, max = 1024))]
    #[schema(example = "Correct-Horse7", min_length = 1, max_length = 1024)]
    pub password: String,
}

/// A new access token and its user. The refresh token is in the cookie `tt_refresh`.
#[derive(Serialize, ToSchema)]
pub struct TokenResponse {
    /// Send it as `Authorization: Bearer …`.
    pub access_token: String,
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    #[schema(example = 900)]
    pub expires_in_seconds: i64,
    pub user: User,
}

/// The password is correct; a two-factor code is required.
#[derive(Serialize, ToSchema)]
pub struct TwoFactorChallenge {
    #[schema(example = true)]
    pub two_factor_required: bool,
    /// Send it to `/auth/2fa/verify` with a code, within five minutes.
    pub challenge: String,
}

/// Tokens, or a challenge if two-factor authentication is on.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum LoginResponse {
    SignedIn(TokenResponse),
    TwoFactorRequired(TwoFactorChallenge),
}

/// The current and the new password.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordRequest {
    #[validate(length(min = 1, max = 1024))]
    #[schema(min_length = 1, max_length = 1024)]
    pub current_password: String,
    /// 8 to 128 characters with an uppercase letter, a lowercase letter, a digit and a symbol; not
    /// a common password, and without the username.
    #[schema(example = "Correct-Horse7", min_length = 8, max_length = 128)]
    pub new_password: String,
}

/// Sign in.
///
/// Accepts a username or an email address. Five wrong passwords from one address lock the account
/// for that address: for 15 minutes the first time, and longer each further time. Usernames that do
/// not exist get the same responses. A device on which the person has signed in before (cookie
/// `tt_device`) is locked only by wrong passwords from that device, and with two-factor
/// authentication the correct password is always accepted. Correct passwords do not count towards a
/// limit. If two-factor authentication is on, the response contains a challenge for
/// `/auth/2fa/verify`.
#[utoipa::path(
    operation_id = "login", tag = "auth", request_body = LoginRequest,
    responses((status = 200, description = "Signed in, or a two-factor code is required", body = LoginResponse),
              (status = 401, description = "`invalid_credentials`", body = Problem, content_type = "application/problem+json"),
              (status = 423, description = "`account_locked`; `Retry-After` contains the time left", body = Problem, content_type = "application/problem+json"),
              Always, WithBody),
    security(()),
)]
#[post("")]
pub async fn login(state: web::Data<AppState>, client: Client, req: HttpRequest, body: Json<LoginRequest>) -> Result<impl Responder> {
    let Json(LoginRequest { username, password }) = body;
    let device = KnownDevice::of_request(&req, state.part::<DataKey>());
    match sign_in::sign_in(&state, username.trim(), password, &client, device.as_ref()).await? {
        Outcome::SignedIn(signed_in) => {
            let SignedIn { user, area_id, token } = *signed_in;
            let device = KnownDevice::with(device, user.id);
            token_response(&state, user, area_id, &token, Some(&device))
        }
        Outcome::SecondFactorNeeded { user, version } => {
            let challenge = two_factor::challenge(state.part::<TokenKeys>(), user, version)?;
            let answer = TwoFactorChallenge { two_factor_required: true, challenge };
            Ok(HttpResponse::Ok().insert_header((actix_web::http::header::CACHE_CONTROL, "no-store")).json(answer))
        }
    }
}

/// Exchange the refresh cookie for a new access token.
///
/// Every refresh token can be exchanged once. Within `REFRESH_GRACE_SECONDS` (30) it returns the
/// same successor again, so that a lost response or a second tab does not end the session. After
/// that, or after the successor was exchanged, a used token ends its session.
#[utoipa::path(
    operation_id = "refresh_session", tag = "auth",
    responses((status = 200, description = "A new access token and cookie", body = TokenResponse),
              (status = 401, description = "`session_expired`", body = Problem, content_type = "application/problem+json"),
              (status = 403, description = "`origin_not_allowed`", body = Problem, content_type = "application/problem+json"), Always),
    security(("refresh_cookie" = [])),
)]
#[post("/auth/refresh")]
pub async fn refresh_session(_page: KnownOrigin, state: web::Data<AppState>, client: Client, req: HttpRequest) -> Result<impl Responder> {
    let presented = RefreshToken::of_request(&req).ok_or_else(session_ended)?;
    let mut conn = state.pool.get().await?;
    let outcome = transaction(&mut conn, async |conn| {
        let rotation = sessions::rotate(conn, state.part::<DataKey>(), &presented, &state.config).await?;
        if let Rotation::Reused { user } = &rotation {
            let actor = Actor { id: Some(*user), name: None, client: client.clone() };
            audit::record(conn, &actor, vec![Entry::new(Action::TokenReused, Entity::Session, presented.session_id)]).await?;
        }
        let user = match &rotation {
            Rotation::Rotated { user, .. } => queries::find(conn, *user).await?,
            Rotation::Reused { .. } | Rotation::Refused => None,
        };
        Ok((rotation, user))
    })
    .await?;
    match outcome {
        (Rotation::Rotated { token, .. }, Some((row, area))) if row.is_active => {
            let area_id = row.dispatch_area_id;
            token_response(&state, User::from_row(row, area), area_id, &token, None)
        }
        (Rotation::Reused { .. }, _) => {
            state.part::<Revocations>().revoke([presented.session_id]);
            Err(session_ended())
        }
        _ => Err(session_ended()),
    }
}

/// Sign out.
///
/// Ends the session of the refresh cookie, or of the access token if there is no cookie. Succeeds
/// even if there is no session.
#[utoipa::path(
    operation_id = "logout", tag = "auth",
    responses((status = 204, description = "Signed out"),
              (status = 403, description = "`origin_not_allowed`", body = Problem, content_type = "application/problem+json"), Always),
    security(("refresh_cookie" = []), ("bearer" = [])),
)]
#[post("/auth/logout")]
pub async fn logout(_page: KnownOrigin, state: web::Data<AppState>, client: Client, req: HttpRequest) -> Result<impl Responder> {
    let mut conn = state.pool.get().await?;
    let mut ended = Vec::new();
    if let Ok(caller) = crate::identity::caller::authenticate(&req)
        && let Some(session) = caller.session_id()
    {
        ended.push((session, caller.user_id));
    }
    if let Some(token) = RefreshToken::of_request(&req)
        && let Some(owner) = sessions::owner(&mut conn, state.part::<DataKey>(), &token).await?
        && ended.iter().all(|(session, _)| *session != token.session_id)
    {
        ended.push((token.session_id, owner));
    }
    transaction(&mut conn, async |conn| {
        for (session, user) in &ended {
            sessions::revoke(conn, *session, "signed out").await?;
            let actor = Actor { id: Some(*user), name: None, client: client.clone() };
            audit::record(conn, &actor, vec![Entry::new(Action::SignOut, Entity::Session, session)]).await?;
        }
        Ok(())
    })
    .await?;
    state.part::<Revocations>().revoke(ended.into_iter().map(|(session, _)| session));
    Ok(HttpResponse::NoContent().append_header(refresh_token::removal_cookie(&state.config)).finish())
}

/// Sign out everywhere.
#[utoipa::path(
    operation_id = "logout_all", tag = "auth",
    responses((status = 204, description = "All sessions of the caller have ended"), Always, responses::SignedIn),
)]
#[post("/auth/logout-all")]
pub async fn logout_all(AnyPassword(caller): AnyPassword, state: web::Data<AppState>, client: Client) -> Result<impl Responder> {
    let mut conn = state.pool.get().await?;
    let actor = Actor::person(caller.user_id, &caller.username, &client);
    let ended = transaction(&mut conn, async |conn| {
        let ended = sessions::revoke_all(conn, caller.user_id, "signed out everywhere").await?;
        let entry = Entry::new(Action::SignOut, Entity::User, caller.user_id).after(json!({"sessions_ended": ended.len()}));
        audit::record(conn, &actor, vec![entry]).await?;
        Ok(ended)
    })
    .await?;
    state.part::<Revocations>().revoke(ended);
    Ok(HttpResponse::NoContent().append_header(refresh_token::removal_cookie(&state.config)).finish())
}

/// Show the signed-in person.
#[utoipa::path(
    operation_id = "get_me", tag = "me",
    responses((status = 304, description = "Unchanged since the `ETag` in If-None-Match"),
              (status = 200, description = "The caller", body = User), Always, responses::SignedIn),
)]
#[get("/me")]
pub async fn get_me(AnyFactor(caller): AnyFactor, state: web::Data<AppState>, req: HttpRequest) -> Result<impl Responder> {
    let mut conn = state.pool.get().await?;
    let (row, area) = queries::find(&mut conn, caller.user_id).await?.ok_or_else(session_ended)?;
    let version = row.version;
    etag::respond(&req, &User::from_row(row, area), Some(version))
}

/// Change your own password.
///
/// Ends all sessions of the caller and starts a new one, whose tokens are in the response.
#[utoipa::path(
    operation_id = "change_my_password", tag = "me", request_body = ChangePasswordRequest,
    responses((status = 200, description = "Changed; a new session", body = TokenResponse),
              (status = 423, description = "`account_locked`: too many wrong passwords in this session; `Retry-After` contains the time left", body = Problem,
               content_type = "application/problem+json"), Always, responses::SignedIn, WithBody),
)]
#[post("/me/password")]
pub async fn change_my_password(
    AnyPassword(caller): AnyPassword,
    state: web::Data<AppState>,
    client: Client,
    body: Json<ChangePasswordRequest>,
) -> Result<impl Responder> {
    let Json(ChangePasswordRequest { current_password, new_password }) = body;
    let (row, area) = queries::find(&mut *state.pool.get().await?, caller.user_id).await?.ok_or_else(session_ended)?;
    check_own_password(&state, &caller, &row, current_password.clone()).await?;
    password::check_strength(&new_password, &row.username, "/new_password")?;
    if new_password == current_password {
        return Err(Error::refused(ErrorCode::WeakPassword, "The new password must differ from the current one."));
    }
    let hash = password::hash(new_password).await?;
    let mut conn = state.pool.get().await?;
    let actor = Actor::person(caller.user_id, &caller.username, &client);
    let (ended, token) = transaction(&mut conn, async |conn| {
        queries::set_password(conn, caller.user_id, hash.clone(), false).await?;
        password_reset::cancel(conn, caller.user_id).await?;
        let ended = sessions::revoke_all(conn, caller.user_id, "password changed").await?;
        let token = sessions::start(conn, state.part::<DataKey>(), caller.user_id, &client, &state.config).await?;
        audit::record(conn, &actor, vec![Entry::new(Action::PasswordChanged, Entity::User, caller.user_id)]).await?;
        if row.email.is_some() {
            MailJob::PasswordChanged { user_id: caller.user_id, at: Utc::now() }.enqueue(conn).await?;
        }
        Ok((ended, token))
    })
    .await?;
    state.part::<Revocations>().revoke(ended);
    state.jobs.now();
    let mut user = User::from_row(row, area);
    user.password_change_required = false;
    user.version += 1;
    token_response(&state, user, caller.area_id, &token, None)
}

/// Checks the password of a person who is signed in. Failures block the session they come from, so a stolen session can't
/// be used to guess the password, and does not keep the owner from changing it.
///
/// # Errors
/// 401 `invalid_credentials`; 423 `account_locked` after too many failures.
pub(super) async fn check_own_password(state: &AppState, caller: &Caller, row: &UserRow, password: String) -> Result<()> {
    let attempt = Attempt::at_own_password(row.id, caller.session_id());
    if let Some(refusal) = attempt.blocks(&mut *state.pool.get().await?).await?.refusal() {
        return Err(refusal.into());
    }
    let is_right = password::verify(password, Some(row.password_hash.clone())).await?;
    let wrong = || Error::refused(ErrorCode::InvalidCredentials, "The current password is wrong.");
    // Read again: guesses in parallel may have used the limit up.
    if is_right && attempt.blocks(&mut *state.pool.get().await?).await?.is_free() {
        let mut conn = state.pool.get().await?;
        return transaction(&mut conn, async |conn| Ok(attempt.succeed(conn).await?)).await;
    }
    Err(failed_attempt::count(state, &attempt, wrong()).await?)
}

/// What a token says of a user.
fn token_user(user: &User, area_id: Option<i32>) -> TokenUser {
    TokenUser {
        id: user.id,
        username: user.username.clone(),
        role: user.role,
        dispatch_area_id: area_id,
        dispatch_area: user.dispatch_area.clone(),
        password_change_required: user.password_change_required,
        two_factor_enabled: user.two_factor_enabled,
    }
}

/// The answer to a sign-in: tokens in body and cookie, and the cookie that makes the device known.
///
/// # Errors
/// When the signer fails.
pub(super) fn token_response(
    state: &AppState,
    user: User,
    area_id: Option<i32>,
    token: &RefreshToken,
    device: Option<&KnownDevice>,
) -> Result<HttpResponse> {
    let lifetime = state.config.access_token_seconds;
    let access_token = state.part::<TokenKeys>().sign(&Claims::new(&token_user(&user, area_id), token.session_id, &state.config))?;
    let mut answer = HttpResponse::Ok();
    answer.append_header(token.cookie(&state.config)).insert_header((actix_web::http::header::CACHE_CONTROL, "no-store"));
    if let Some(device) = device {
        answer.append_header(device.cookie(state.part::<DataKey>(), &state.config)?);
    }
    Ok(answer.json(TokenResponse { access_token, token_type: "Bearer", expires_in_seconds: lifetime, user }))
}

/// The refusal of a session that is there no more.
pub(super) fn session_ended() -> Error {
    Error::refused(ErrorCode::SessionExpired, "The session has ended. Sign in again.")
}

/// Sign-in alone, so that it can have a limit of its own: mounted at `/auth/login`.
pub fn login_routes(cfg: &mut ServiceConfig) {
    cfg.service(login);
}

/// Mounts the other calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(refresh_session).service(logout).service(logout_all).service(get_me).service(change_my_password);
    cfg.service(password_reset::forgot_password).service(password_reset::reset_password);
    cfg.configure(two_factor_routes::routes).configure(my_account::routes);
}
