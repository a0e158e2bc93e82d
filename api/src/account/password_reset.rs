//! Forgotten passwords: a link by e-mail, good once and for an hour.
//!
//! Owns `password_resets`. Nobody learns here whether an address is known.

use actix_web::{HttpRequest, HttpResponse, Responder, post, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use validator::Validate;

use super::failed_attempt;
use crate::access::attempts::{self, Attempt};
use crate::access::data_key::DataKey;
use crate::access::known_device::KnownDevice;
use crate::access::revocations::Revocations;
use crate::access::{password, sessions};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::config::Config;
use crate::db::schema::password_resets;
use crate::db::transaction;
use crate::error::{Error, ErrorCode, Result};
use crate::http::json::Json;
use crate::http::responses::{Always, WithBody};
use crate::http::text::no_control_characters;
use crate::identity::UserId;
use crate::identity::client::Client;
use crate::mail::MailJob;
use crate::shared_limits::HOUR;
use crate::state::AppState;
use crate::users::queries;

/// The account whose password was forgotten.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ForgotPasswordRequest {
    /// Case-insensitive.
    #[validate(length(min = 1, max = 254), custom(function = no_control_characters))]
    #[schema(example = "asha@example.com", min_length = 1, max_length = 254)]
    pub email: String,
}

/// The same text for every address.
#[derive(Serialize, ToSchema)]
pub struct ForgotPasswordResponse {
    #[schema(example = "If an account has this email address, we have sent it a link to choose a new password.")]
    pub detail: &'static str,
}

/// The token of the link, and the new password.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ResetPasswordRequest {
    /// The part after `#token=` in the link.
    #[validate(length(min = 1, max = 128))]
    #[schema(min_length = 1, max_length = 128)]
    pub token: String,
    /// 8 to 128 characters with an uppercase letter, a lowercase letter, a digit and a symbol; not
    /// a common password, and without the username.
    #[validate(length(min = 1, max = 1024))]
    #[schema(example = "Correct-Horse7", min_length = 8, max_length = 128)]
    pub new_password: String,
}

/// Request a password reset.
///
/// If an account has this email address, it receives a link to choose a new password. The response
/// is always the same. The limits (3 per hour for one email address) also apply to addresses
/// without an account.
#[utoipa::path(
    operation_id = "forgot_password", tag = "auth", request_body = ForgotPasswordRequest,
    responses((status = 202, description = "Accepted", body = ForgotPasswordResponse), Always, WithBody),
    security(()),
)]
#[post("/auth/password/forgot")]
pub async fn forgot_password(state: web::Data<AppState>, client: Client, body: Json<ForgotPasswordRequest>) -> Result<impl Responder> {
    let Json(ForgotPasswordRequest { email }) = body;
    let email = email.trim().to_lowercase();
    let config = &state.config;
    let from = format!("password-resets:from:{}", client.network());
    state.limits.check(&from, config.password_reset_limit_per_address, HOUR, "requests").await?;
    // Counted for the text, not for the account: so the limit tells nothing either. Hashed, because Redis needs no addresses.
    let account = URL_SAFE_NO_PAD.encode(Sha256::digest(&email));
    state.limits.check(&format!("password-resets:of:{account}"), config.password_reset_limit_per_hour, HOUR, "requests").await?;

    let mut conn = state.pool.get().await?;
    // The same statements for a known and an unknown address, so that both take as long.
    let found = queries::find_by_email(&mut conn, &email).await?.filter(|row| row.is_active);
    let (actor, entity_id) = match &found {
        Some(row) => (Actor { id: Some(row.id), name: Some(row.username.clone()), client }, row.id.to_string()),
        None => (Actor::unknown(&client), "unknown".to_owned()),
    };
    let job = MailJob::PasswordReset { user_id: found.map(|row| row.id) };
    transaction(&mut conn, async |conn| {
        audit::record(conn, &actor, vec![Entry::new(Action::PasswordResetRequested, Entity::User, &entity_id)]).await?;
        job.enqueue(conn).await?;
        Ok(())
    })
    .await?;
    state.jobs.now();
    Ok(HttpResponse::Accepted()
        .json(ForgotPasswordResponse { detail: "If an account has this email address, we have sent it a link to choose a new password." }))
}

/// Set a new password with the link from the email.
///
/// Ends all sessions of the account and unlocks it. The token works once.
#[utoipa::path(
    operation_id = "reset_password", tag = "auth", request_body = ResetPasswordRequest,
    responses((status = 204, description = "The new password is set"), Always, WithBody),
    security(()),
)]
#[post("/auth/password/reset")]
pub async fn reset_password(
    state: web::Data<AppState>,
    client: Client,
    req: HttpRequest,
    body: Json<ResetPasswordRequest>,
) -> Result<impl Responder> {
    let Json(ResetPasswordRequest { token, new_password }) = body;
    let token_hash = hash(&token);
    // A password that is too weak must not cost the token; so it is used only with the password it was for.
    let found = owner(&mut *state.pool.get().await?, &token_hash).await?;
    let Some((user, username)) = found else {
        // Only made-up tokens are limited. A token has 256 bits, so real ones need no limit.
        let attempt = Attempt::with_reset_token(&client);
        return Err(failed_attempt::count(&state, &attempt, invalid_reset_token()).await?);
    };
    password::check_strength(&new_password, &username, "/new_password")?;
    let password_hash = password::hash(new_password).await?;
    let actor = Actor::person(user, &username, &client);
    let ended = transaction(&mut *state.pool.get().await?, async |conn| {
        if !use_up(conn, user, &token_hash).await? {
            return Err(invalid_reset_token().into());
        }
        queries::set_password(conn, user, password_hash.clone(), false).await?;
        attempts::clear(conn, user).await?;
        let ended = sessions::revoke_all(conn, user, "password reset").await?;
        audit::record(conn, &actor, vec![Entry::new(Action::PasswordReset, Entity::User, user)]).await?;
        MailJob::PasswordChanged { user_id: user, at: Utc::now() }.enqueue(conn).await?;
        Ok(ended)
    })
    .await?;
    state.part::<Revocations>().revoke(ended);
    state.jobs.now();
    // The link came to the person's own address: from now on others can't lock them out on this device.
    let device = KnownDevice::with(KnownDevice::of_request(&req, state.part::<DataKey>()), user);
    Ok(HttpResponse::NoContent().append_header(device.cookie(state.part::<DataKey>(), &state.config)?).finish())
}

/// Makes a token for a person: 32 random bytes, of which only the hash stays here.
///
/// # Errors
/// When the database can't be written.
pub async fn issue(conn: &mut AsyncPgConnection, user: UserId, config: &Config) -> QueryResult<String> {
    let secret: [u8; 32] = std::array::from_fn(|_| rand::random());
    let token = URL_SAFE_NO_PAD.encode(secret);
    diesel::insert_into(password_resets::table)
        .values((
            password_resets::token_hash.eq(hash(&token).to_vec()),
            password_resets::user_id.eq(user.0),
            password_resets::expires_at.eq(Utc::now() + TimeDelta::seconds(config.password_reset_seconds)),
        ))
        .execute(conn)
        .await?;
    Ok(token)
}

async fn owner(conn: &mut AsyncPgConnection, token_hash: &[u8]) -> QueryResult<Option<(UserId, String)>> {
    use crate::db::schema::users;
    password_resets::table
        .inner_join(users::table)
        .filter(password_resets::token_hash.eq(token_hash))
        .filter(password_resets::used_at.is_null())
        .filter(password_resets::expires_at.gt(Utc::now()))
        .filter(users::is_active)
        .select((users::id, users::username))
        .first(conn)
        .await
        .optional()
}

/// Uses a token, and with it every other one of this person. `false` when it is good no more: of two requests at once
/// the second waits for the first.
async fn use_up(conn: &mut AsyncPgConnection, user: UserId, token_hash: &[u8]) -> QueryResult<bool> {
    let now = Utc::now();
    let unused = password_resets::table.filter(password_resets::user_id.eq(user.0)).filter(password_resets::used_at.is_null());
    let this = unused.filter(password_resets::token_hash.eq(token_hash)).filter(password_resets::expires_at.gt(now));
    if diesel::update(this).set(password_resets::used_at.eq(now)).execute(conn).await? == 0 {
        return Ok(false);
    }
    cancel(conn, user).await?;
    Ok(true)
}

/// Makes every link worthless that a person was sent and has not used.
///
/// # Errors
/// When the database can't be written.
pub async fn cancel(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<()> {
    diesel::update(password_resets::table.filter(password_resets::user_id.eq(user.0)).filter(password_resets::used_at.is_null()))
        .set(password_resets::used_at.eq(Utc::now()))
        .execute(conn)
        .await?;
    Ok(())
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn invalid_reset_token() -> Error {
    Error::refused(ErrorCode::InvalidResetToken, "This link was already used or has expired. Request a new one.")
}
