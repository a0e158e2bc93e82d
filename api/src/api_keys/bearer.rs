//! Middleware: works out who a bearer is where that needs a query, before limits and extractors ask for it.
//!
//! API keys are looked up, held to their quota and their scopes. Access tokens are checked without a query
//! ([`crate::identity::caller::authenticate`]), except that one signed by a key not yet known here makes the keys be read again.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpResponse, ResponseError, web};

use super::key_ring::KnownKey;
use super::model::{KeyText, RESOURCES};
use crate::access::keys::TokenKeys;
use crate::access::revocations::Revocations;
use crate::api_keys::key_ring::KeyRing;
use crate::error::{Error, ErrorCode, Result};
use crate::http::address::address_of;
use crate::http::rate_limit::write_budget;
use crate::identity::caller::KEY_START;
use crate::identity::caller::{invalid_token, with_caller};
use crate::identity::client::UsedApiKey;
use crate::shared_limits::{Counted, MINUTE};
use crate::state::AppState;

const API: &str = "/api/";
const API_V1: &str = "/api/v1/";
/// Shows its figures to every caller.
const DETAILED_HEALTH: &str = "/api/health/detailed";

/// What is left of a key's quota.
struct Budget {
    limit: u64,
    counted: Counted,
}

impl Budget {
    fn is_overdrawn(&self) -> bool {
        self.counted.count > self.limit
    }

    fn write(&self, headers: &mut HeaderMap) {
        write_budget(headers, self.limit, self.limit.saturating_sub(self.counted.count));
    }
}

/// The middleware.
///
/// # Errors
/// Those of what it wraps; its own refusals are answers.
pub async fn middleware(req: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let Some(token) = bearer(&req) else { return Ok(next.call(req).await?.map_into_left_body()) };
    let state = req.app_data::<web::Data<AppState>>().expect("the server always has its state").clone();
    if !token.starts_with(KEY_START) {
        if with_caller(req.request(), |_| ()).is_err() {
            state.part::<TokenKeys>().learn_key_of(&state.pool, token).await;
        }
        return Ok(next.call(req).await?.map_into_left_body());
    }
    // Elsewhere nobody asks who calls. A path that is only written differently finds no caller, so no way around scopes.
    if !req.path().starts_with(API) {
        return Ok(next.call(req).await?.map_into_left_body());
    }
    match admit(&state, &req, token).await {
        Ok(budget) => {
            let mut response = next.call(req).await?;
            // The process's own limit tells its budget where it is the one that is spent.
            if response.status() != StatusCode::TOO_MANY_REQUESTS {
                let headers = response.headers_mut();
                headers.remove("x-ratelimit-limit");
                budget.write(headers);
            }
            Ok(response.map_into_left_body())
        }
        Err(refusal) => Ok(req.into_response(refusal).map_into_right_body()),
    }
}

fn bearer(req: &ServiceRequest) -> Option<&str> {
    let (scheme, token) = req.headers().get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Lets a request with an API key in as its owner, or gives the answer that refuses it.
async fn admit(state: &AppState, req: &ServiceRequest, token: &str) -> Result<Budget, HttpResponse> {
    let refused = |error: Error| error.error_response();
    let key = find(state, req, token).await.map_err(refused)?;
    // Known before anything is refused, so that a denial is written down with a name, and every
    // line of the log has it.
    name_key(state, req, &key);
    let budget = spend(state, &key).await;
    if budget.is_overdrawn() {
        let wait = budget.counted.seconds_left;
        let error = Error::refused(
            ErrorCode::RateLimited,
            format!("This API key has reached its limit of {} requests per minute. Wait {wait} seconds.", budget.limit),
        );
        let mut response = error.with_retry_after(wait).error_response();
        budget.write(response.headers_mut());
        return Err(response);
    }
    check_scope(&key, req.method(), req.path()).map_err(refused)?;
    state.part::<KeyRing>().note_use(&state.pool, key.id).await;
    Ok(budget)
}

/// Makes everything that follows know the key: handlers, the audit log and the log of the server.
fn name_key(state: &AppState, req: &ServiceRequest, key: &KnownKey) {
    let caller = key.caller(&state.config);
    let span = tracing::Span::current();
    span.record("user_id", caller.user_id.0);
    span.record("api_key_id", key.id);
    let mut extensions = req.extensions_mut();
    extensions.insert(UsedApiKey(key.id));
    extensions.insert(caller);
}

async fn find(state: &AppState, req: &ServiceRequest, token: &str) -> Result<Arc<KnownKey>> {
    let key = KeyText::parse(token).ok_or_else(invalid_token)?;
    let failures = format!("wrong-api-keys:{}", address_of(req.request()).map(|address| address.to_string()).unwrap_or_default());
    // Made-up keys cost a query each; a flood of them must not reach the database.
    if !state.part::<KeyRing>().remembers(&key) && state.limits.is_spent_here(&failures, state.config.request_limit_per_minute) {
        return Err(Error::refused(ErrorCode::RateLimited, "Too many wrong API keys. Wait a minute.").with_retry_after(MINUTE.as_secs()));
    }
    match state.part::<KeyRing>().find(&state.pool, &key).await? {
        Some(known) if !state.part::<Revocations>().is_api_key_revoked(known.id) => Ok(known),
        _ => {
            state.limits.count_here(&failures, MINUTE);
            Err(invalid_token())
        }
    }
}

async fn spend(state: &AppState, key: &KnownKey) -> Budget {
    let limit = key.requests_per_minute.map_or(state.config.request_limit_per_minute, i32::unsigned_abs);
    Budget { limit: u64::from(limit), counted: state.limits.count(&format!("api-key:{}", key.id), MINUTE).await }
}

/// What is not listed is refused: a path written in an unusual way, and whatever is for people only.
fn check_scope(key: &KnownKey, method: &Method, path: &str) -> Result<()> {
    if path == DETAILED_HEALTH {
        return Ok(());
    }
    let resource = path.strip_prefix(API_V1).and_then(|rest| rest.split('/').next()).filter(|resource| RESOURCES.contains(resource));
    let Some(resource) = resource else {
        return Err(Error::refused(ErrorCode::InsufficientScope, "API keys can't be used here. Sign in as a person."));
    };
    let access = if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) { "read" } else { "write" };
    if key.has_scope(resource, access) {
        return Ok(());
    }
    Err(Error::refused(
        ErrorCode::InsufficientScope,
        format!("This API key lacks the scope {resource}:{access}. Ask an admin for a key that has it."),
    ))
}
