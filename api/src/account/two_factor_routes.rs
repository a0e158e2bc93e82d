//! Setting the second factor up, signing in with it, turning it off.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, Responder, post, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::failed_attempt;
use super::failed_attempt::FailedAttempt;
use super::routes::{TokenResponse, check_own_password, session_ended, token_response};
use super::two_factor::{self, Factor, invalid_challenge};
use crate::access::attempts::{self, Attempt};
use crate::access::data_key::DataKey;
use crate::access::keys::TokenKeys;
use crate::access::known_device::KnownDevice;
use crate::access::revocations::Revocations;
use crate::access::sessions;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::db::transaction;
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::http::json::Json;
use crate::http::responses::{Always, SignedIn, WithBody};
use crate::identity::caller::AnyFactor;
use crate::identity::client::Client;
use crate::state::AppState;
use crate::users::edit_routes::Managed;
use crate::users::edit_user::not_found;
use crate::users::model::User;
use crate::users::queries;

/// The secret for an authenticator app, in three formats. It is shown only once.
#[derive(Serialize, ToSchema)]
pub struct TwoFactorSetup {
    /// For manual entry.
    #[schema(example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    pub secret: String,
    #[schema(example = "otpauth://totp/TraitorTrack:asha?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=TraitorTrack")]
    pub otpauth_uri: String,
    /// A QR code of `otpauth_uri` as an SVG document.
    pub qr_svg: String,
}

/// A code from the authenticator app.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct EnableTwoFactorRequest {
    #[validate(length(min = 1, max = 64))]
    #[schema(example = "287082", min_length = 1, max_length = 64)]
    pub code: String,
}

/// Codes to sign in without the phone. Each code works once. They are shown only once.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    #[schema(example = json!(["k7mq-2fzx-9h4d-wt3b"]))]
    pub recovery_codes: Vec<String>,
}

/// Password and two-factor code.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct DisableTwoFactorRequest {
    #[validate(length(min = 1, max = 1024))]
    #[schema(min_length = 1, max_length = 1024)]
    pub password: String,
    /// From the authenticator app, or a recovery code.
    #[validate(length(min = 1, max = 64))]
    #[schema(example = "287082", min_length = 1, max_length = 64)]
    pub code: String,
}

/// The response to a challenge from `login`.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct VerifyTwoFactorRequest {
    #[validate(length(min = 1, max = 2048))]
    #[schema(min_length = 1, max_length = 2048)]
    pub challenge: String,
    /// From the authenticator app, or a recovery code.
    #[validate(length(min = 1, max = 64))]
    #[schema(example = "287082", min_length = 1, max_length = 64)]
    pub code: String,
}

/// Start setting up two-factor authentication.
///
/// Nothing changes until a code from the app is sent to `/me/2fa/enable`.
#[utoipa::path(
    operation_id = "set_up_two_factor", tag = "me",
    responses((status = 200, description = "For the authenticator app", body = TwoFactorSetup),
              (status = 409, description = "`two_factor_enabled`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[post("/me/2fa/setup")]
pub async fn set_up_two_factor(AnyFactor(caller): AnyFactor, state: web::Data<AppState>) -> Result<impl Responder> {
    let setup = transaction(&mut *state.pool.get().await?, async |conn| {
        let factor = Factor::lock(conn, caller.user_id).await?.ok_or_else(session_ended)?;
        if factor.is_enabled {
            return Err(already_enabled().into());
        }
        Ok(two_factor::set_up(conn, state.part::<DataKey>(), caller.user_id, &factor.username).await?)
    })
    .await?;
    let two_factor::Setup { secret, otpauth_uri, qr_svg } = setup;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(TwoFactorSetup { secret, otpauth_uri, qr_svg }))
}

/// Turn on two-factor authentication.
///
/// A code is required from the next sign-in on. If the role requires two-factor authentication,
/// refresh the token to continue.
#[utoipa::path(
    operation_id = "enable_two_factor", tag = "me", request_body = EnableTwoFactorRequest,
    responses((status = 200, description = "Turned on; the recovery codes", body = RecoveryCodes),
              (status = 409, description = "`two_factor_enabled`, or `two_factor_not_enabled` before `setup`", body = Problem,
               content_type = "application/problem+json"),
              (status = 423, description = "`account_locked`; `Retry-After` contains the time left", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithBody),
)]
#[post("/me/2fa/enable")]
pub async fn enable_two_factor(
    AnyFactor(caller): AnyFactor,
    state: web::Data<AppState>,
    client: Client,
    body: Json<EnableTwoFactorRequest>,
) -> Result<impl Responder> {
    let Json(EnableTwoFactorRequest { code }) = body;
    let attempt = Attempt::at_own_code(caller.user_id, caller.session_id());
    let actor = Actor::person(caller.user_id, &caller.username, &client);
    let enabled = transaction(&mut *state.pool.get().await?, async |conn| {
        let factor = Factor::lock(conn, caller.user_id).await?.ok_or_else(session_ended)?;
        if factor.is_enabled {
            return Err(already_enabled().into());
        }
        if !factor.has_secret() {
            return Err(not_enabled().into());
        }
        if let Some(refusal) = attempt.blocks(conn).await?.refusal() {
            return Err(Error::from(refusal).into());
        }
        let Some(codes) = factor.enable(conn, state.part::<DataKey>(), &code).await? else { return Ok(None) };
        attempt.succeed(conn).await?;
        audit::record(conn, &actor, vec![Entry::new(Action::TwoFactorEnabled, Entity::User, caller.user_id)]).await?;
        Ok(Some(codes))
    })
    .await?;
    let Some(recovery_codes) = enabled else {
        return Err(failed_attempt::count(&state, &attempt, wrong_code()).await?);
    };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(RecoveryCodes { recovery_codes }))
}

/// Turn off two-factor authentication.
///
/// If the role requires it, all sessions end, and it must be set up again at the next sign-in.
#[utoipa::path(
    operation_id = "disable_two_factor", tag = "me", request_body = DisableTwoFactorRequest,
    responses((status = 204, description = "Off"),
              (status = 409, description = "`two_factor_not_enabled`", body = Problem, content_type = "application/problem+json"),
              (status = 423, description = "`account_locked`; `Retry-After` contains the time left", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn, WithBody),
)]
#[post("/me/2fa/disable")]
pub async fn disable_two_factor(
    AnyFactor(caller): AnyFactor,
    state: web::Data<AppState>,
    client: Client,
    body: Json<DisableTwoFactorRequest>,
) -> Result<impl Responder> {
    let Json(DisableTwoFactorRequest { password, code }) = body;
    let (row, _) = queries::find(&mut *state.pool.get().await?, caller.user_id).await?.ok_or_else(session_ended)?;
    if !row.two_factor_enabled {
        return Err(not_enabled());
    }
    check_own_password(&state, &caller, &row, password).await?;
    let attempt = Attempt::at_code(caller.user_id, &client, None);
    let is_demanded = state.config.two_factor_required_roles.contains(&row.role);
    let actor = Actor::person(caller.user_id, &caller.username, &client);
    // A wrong code is counted, so the transaction must be kept: refusals come out of it as values.
    let (refusal, ended) = transaction(&mut *state.pool.get().await?, async |conn| {
        let factor = Factor::lock(conn, caller.user_id).await?.ok_or_else(session_ended)?;
        if !factor.is_enabled {
            return Err(not_enabled().into());
        }
        if let Err(refusal) = checked(conn, &state, &factor, &attempt, &client, &actor, &code).await? {
            return Ok((Some(refusal), Vec::new()));
        }
        factor.disable(conn).await?;
        audit::record(conn, &actor, vec![Entry::new(Action::TwoFactorDisabled, Entity::User, caller.user_id)]).await?;
        let ended = if is_demanded { sessions::revoke_all(conn, caller.user_id, "two-factor authentication off").await? } else { Vec::new() };
        Ok((None, ended))
    })
    .await?;
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    state.part::<Revocations>().revoke(ended);
    Ok(HttpResponse::NoContent().finish())
}

/// Complete two-factor authentication.
///
/// Requires the challenge from `login` and a code from the authenticator app, or a recovery code.
/// Five wrong codes lock the account for the address or the known device that they come from: for
/// 15 minutes the first time, and longer each further time.
#[utoipa::path(
    operation_id = "verify_two_factor", tag = "auth", request_body = VerifyTwoFactorRequest,
    responses((status = 200, description = "Signed in", body = TokenResponse),
              (status = 401, description = "`invalid_two_factor_code`, `invalid_challenge`", body = Problem, content_type = "application/problem+json"),
              (status = 423, description = "`account_locked`; `Retry-After` contains the time left", body = Problem, content_type = "application/problem+json"),
              Always, WithBody),
    security(()),
)]
#[post("/auth/2fa/verify")]
pub async fn verify_two_factor(
    state: web::Data<AppState>,
    client: Client,
    req: HttpRequest,
    body: Json<VerifyTwoFactorRequest>,
) -> Result<impl Responder> {
    let Json(VerifyTwoFactorRequest { challenge, code }) = body;
    let Ok((user, version)) = two_factor::read_challenge(state.part::<TokenKeys>(), &challenge) else {
        // Counted apart from wrong codes: made-up challenges must not block others at the address.
        let attempt = Attempt::with_challenge(&client);
        return Err(failed_attempt::count(&state, &attempt, invalid_challenge()).await?);
    };
    let device = KnownDevice::of_request(&req, state.part::<DataKey>());
    let known = device.clone().and_then(|device| device.known_to(user));
    let attempt = Attempt::at_code(user, &client, known.as_ref());
    let mut conn = state.pool.get().await?;
    let outcome = transaction(&mut conn, async |conn| {
        let factor = Factor::lock(conn, user).await?;
        let factor = factor.filter(|factor| factor.is_active && factor.is_enabled && factor.version == version).ok_or_else(invalid_challenge)?;
        let actor = Actor::person(user, &factor.username, &client);
        let method = match checked(conn, &state, &factor, &attempt, &client, &Actor::unknown(&client), &code).await? {
            Ok(method) => method,
            Err(refusal) => return Ok(Err(refusal)),
        };
        queries::note_sign_in(conn, user).await?;
        let token = sessions::start(conn, state.part::<DataKey>(), user, &client, &state.config).await?;
        let left = factor.recovery_codes_left(conn).await?;
        let entry =
            Entry::new(Action::SignInOk, Entity::Session, token.session_id).after(json!({"second_factor": method, "recovery_codes_left": left}));
        audit::record(conn, &actor, vec![entry]).await?;
        Ok(Ok((token, queries::find(conn, user).await?.ok_or_else(invalid_challenge)?)))
    })
    .await?;
    let (token, (row, area)) = outcome?;
    let area_id = row.dispatch_area_id;
    let device = KnownDevice::with(device, user);
    token_response(&state, User::from_row(row, area), area_id, &token, Some(&device))
}

/// Turn off a person's two-factor authentication.
///
/// For people who have lost their phone and recovery codes. Ends all their sessions.
#[utoipa::path(
    operation_id = "reset_two_factor", tag = "users", params(("id" = i64, Path, description = "Id of the user", example = 7)),
    responses((status = 204, description = "Off"),
              (status = 404, description = "`user_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[post("/users/{id}/2fa/reset")]
pub async fn reset_two_factor(managed: Managed, state: web::Data<AppState>, client: Client) -> Result<impl Responder> {
    let Managed { caller, id: user } = managed;
    if user == caller.user_id {
        // Else a stolen session would be enough to be rid of it.
        return Err(Error::refused(ErrorCode::Forbidden, "Turn off your own two-factor authentication with POST /api/v1/me/2fa/disable."));
    }
    let actor = Actor::person(caller.user_id, &caller.username, &client);
    let ended = transaction(&mut *state.pool.get().await?, async |conn| {
        let factor = Factor::lock(conn, user).await?.ok_or_else(not_found)?;
        if !factor.has_secret() {
            return Ok(Vec::new());
        }
        factor.disable(conn).await?;
        let ended = sessions::revoke_all(conn, user, "two-factor authentication reset").await?;
        audit::record(conn, &actor, vec![Entry::new(Action::TwoFactorDisabled, Entity::User, user)]).await?;
        Ok(ended)
    })
    .await?;
    state.part::<Revocations>().revoke(ended);
    Ok(HttpResponse::NoContent().finish())
}

type Conn = diesel_async::AsyncPgConnection;

/// Checks a code unless a block refuses it, and counts and records a wrong one.
async fn checked(
    conn: &mut Conn,
    state: &AppState,
    factor: &Factor,
    attempt: &Attempt,
    client: &Client,
    actor: &Actor,
    code: &str,
) -> Result<Result<two_factor::Method>> {
    if may_check(conn, state, factor, attempt, client, code).await?
        && let Some(method) = factor.check(conn, state.part::<DataKey>(), code).await?
    {
        attempt.succeed(conn).await?;
        return Ok(Ok(method));
    }
    let failed = FailedAttempt { attempt, actor, user: Some(factor.user_id), reason: "code" };
    Ok(Err(failed.record(conn, &state.config, wrong_code()).await?))
}

/// A block of this address or device holds for every code. The bounds over all addresses hold neither for recovery codes,
/// which can't be guessed, nor where the person signed in before.
async fn may_check(conn: &mut Conn, state: &AppState, factor: &Factor, attempt: &Attempt, client: &Client, code: &str) -> Result<bool> {
    let blocks = attempt.blocks(conn).await?;
    if blocks.is_own() {
        return Ok(false);
    }
    if blocks.is_free() || two_factor::is_recovery_code(code) {
        return Ok(true);
    }
    Ok(blocks.spares_known_addresses(&state.config) && attempts::is_known_address(conn, factor.user_id, client).await?)
}

fn wrong_code() -> Error {
    Error::refused(ErrorCode::InvalidTwoFactorCode, "The code is wrong or was already used. Wait for the next one and try again.")
}

fn already_enabled() -> Error {
    Error::refused(ErrorCode::TwoFactorEnabled, "Two-factor authentication is already on. Turn it off first.")
}

fn not_enabled() -> Error {
    Error::refused(ErrorCode::TwoFactorNotEnabled, "Two-factor authentication is off. Start with POST /api/v1/me/2fa/setup.")
}

/// Mounts the calls of this file.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(set_up_two_factor).service(enable_two_factor).service(disable_two_factor).service(verify_two_factor).service(reset_two_factor);
}
