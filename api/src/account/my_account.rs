//! One's own account: e-mail address, language, sessions.

use actix_web::{HttpResponse, Responder, delete, get, patch, web};
use chrono::{DateTime, Utc};
use diesel::result::{DatabaseErrorKind, Error as DbError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;
use validator::Validate;

use super::password_reset;
use super::routes::session_ended;
use crate::access::revocations::Revocations;
use crate::access::sessions;
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::db::transaction;
use crate::db::transaction::Abort;
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::http::json::{MergePatch, present};
use crate::http::page::Page;
use crate::http::responses::{Always, SignedIn, WithBody};
use crate::http::text::no_control_characters;
use crate::identity::caller::{AnyFactor, Caller};
use crate::identity::client::Client;
use crate::state::AppState;
use crate::users::language::Language;
use crate::users::model::User;
use crate::users::queries;

/// A merge patch of your own account: absent fields do not change.
#[derive(Debug, Default, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct PatchMeRequest {
    /// Null removes it.
    #[serde(default, deserialize_with = "present")]
    #[validate(email, length(max = 254), custom(function = no_control_characters))]
    #[schema(value_type = Option<String>, example = "asha@example.com", max_length = 254)]
    pub email: Option<Option<String>>,
    /// Language of emails.
    pub language: Option<Language>,
}

/// A signed-in device.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    pub id: Uuid,
    /// The user agent of the browser or app.
    #[schema(required, example = "Mozilla/5.0 (Linux; Android 14) Chrome/140.0 Mobile")]
    pub device: Option<String>,
    /// The address of the sign-in.
    #[schema(required, example = "203.0.113.7")]
    pub ip: Option<String>,
    pub created_at: DateTime<Utc>,
    /// Time of its last access token.
    pub last_used_at: DateTime<Utc>,
    /// Its end; earlier if it is not used.
    pub expires_at: DateTime<Utc>,
    /// The session of this request.
    pub is_current: bool,
}

/// Change your own email address or language.
#[utoipa::path(
    operation_id = "patch_me", tag = "me",
    request_body(content((PatchMeRequest = "application/merge-patch+json"), (PatchMeRequest = "application/json"))),
    responses((status = 200, description = "Changed", body = User),
              (status = 409, description = "`email_taken`", body = Problem, content_type = "application/problem+json"), Always, SignedIn, WithBody),
)]
#[patch("/me")]
pub async fn patch_me(
    AnyFactor(caller): AnyFactor,
    state: web::Data<AppState>,
    client: Client,
    body: MergePatch<PatchMeRequest>,
) -> Result<impl Responder> {
    let MergePatch(PatchMeRequest { email, language }) = body;
    let actor = Actor::person(caller.user_id, &caller.username, &client);
    let user = transaction(&mut *state.pool.get().await?, async |conn| {
        let (row, area) = queries::lock(conn, caller.user_id).await?.ok_or_else(session_ended)?;
        let (mut before, mut after) = (json!({}), json!({}));
        let mut note = |field: &str, was: Value, is: Value| {
            if was != is {
                before[field] = was;
                after[field] = is;
            }
        };
        let new_email = email.clone().unwrap_or_else(|| row.email.clone());
        let new_language = language.unwrap_or(row.language);
        note("email", json!(row.email), json!(new_email));
        note("language", json!(row.language), json!(new_language));
        if before == json!({}) {
            return Ok(User::from_row(row, area));
        }
        if new_email != row.email {
            // A link on its way to the old address is for somebody else now.
            password_reset::cancel(conn, caller.user_id).await?;
        }
        let row = queries::set_profile(conn, caller.user_id, new_email, new_language).await.map_err(email_taken)?;
        audit::record(conn, &actor, vec![Entry::new(Action::UserChanged, Entity::User, caller.user_id).before(before).after(after)]).await?;
        Ok(User::from_row(row, area))
    })
    .await?;
    Ok(web::Json(user))
}

fn email_taken(cause: DbError) -> Abort {
    match &cause {
        DbError::DatabaseError(DatabaseErrorKind::UniqueViolation, information) if information.constraint_name() == Some("users_email_key") => {
            Error::refused(ErrorCode::EmailTaken, "Another user has this email address. Enter a different one.").into()
        }
        _ => cause.into(),
    }
}

/// List your own sessions.
///
/// Returns all active sessions on a single page, most recently used first.
#[utoipa::path(
    operation_id = "list_my_sessions", tag = "me",
    responses((status = 200, description = "The sessions", body = Page<Session>), Always, SignedIn),
)]
#[get("/me/sessions")]
pub async fn list_my_sessions(caller: Caller, state: web::Data<AppState>) -> Result<impl Responder> {
    let live = sessions::list_live(&mut *state.pool.get().await?, caller.user_id).await?;
    let data = live.into_iter().map(|live| {
        let sessions::LiveSession { id, user_agent, ip, created_at, last_used_at, expires_at } = live;
        Session { id, device: user_agent, ip, created_at, last_used_at, expires_at, is_current: caller.session_id() == Some(id) }
    });
    Ok(web::Json(Page::whole(data.collect())))
}

/// End one of your own sessions.
///
/// Takes effect immediately, and in other processes within seconds. Ending the current session
/// signs you out.
#[utoipa::path(
    operation_id = "end_my_session", tag = "me", params(("id" = Uuid, Path, description = "Id of the session")),
    responses((status = 204, description = "Ended"),
              (status = 404, description = "`session_not_found`", body = Problem, content_type = "application/problem+json"), Always, SignedIn),
)]
#[delete("/me/sessions/{id}")]
pub async fn end_my_session(caller: Caller, state: web::Data<AppState>, client: Client, path: web::Path<String>) -> Result<impl Responder> {
    let not_found = || Error::refused(ErrorCode::SessionNotFound, "You have no session with this id.");
    let id: Uuid = path.parse().map_err(|_| not_found())?;
    let actor = Actor::person(caller.user_id, &caller.username, &client);
    transaction(&mut *state.pool.get().await?, async |conn| {
        if !sessions::list_live(conn, caller.user_id).await?.iter().any(|live| live.id == id) {
            return Err(not_found().into());
        }
        sessions::revoke(conn, id, "ended by its owner").await?;
        audit::record(conn, &actor, vec![Entry::new(Action::SignOut, Entity::Session, id)]).await?;
        Ok(())
    })
    .await?;
    state.part::<Revocations>().revoke([id]);
    Ok(HttpResponse::NoContent().finish())
}

/// Mounts the calls of this file.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(patch_me).service(list_my_sessions).service(end_my_session);
}
