//! Serves a web app on another host than the API: what pages of the listed origins may send and
//! read (CORS).

use actix_cors::{Cors, CorsError};
use actix_web::ResponseError;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderName;
use actix_web::middleware::Next;

use super::origin::{Origin, not_allowed};
use crate::error::{Error, ErrorCode};

/// Request headers that the API uses.
const REQUEST_HEADERS: [&str; 11] = [
    "accept",
    "authorization",
    "cache-control",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "traceparent",
    "x-consistency-token",
    "x-request-id",
];

/// Response headers that clients read, in addition to those that browsers expose by default.
const ANSWER_HEADERS: [&str; 15] = [
    "allow",
    "content-disposition",
    "date",
    "deprecation",
    "etag",
    "idempotent-replayed",
    "link",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "sunset",
    "www-authenticate",
    "x-consistency-token",
    "x-request-id",
];

/// Browsers cache preflight responses for this long. Two hours is the maximum that all browsers
/// accept.
const PREFLIGHT_SECONDS: usize = 2 * 60 * 60;

/// The middleware for pages of these origins: answers preflight requests itself, and adds the CORS
/// headers to every other response, including refusals.
pub fn allow(origins: &[Origin]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers(REQUEST_HEADERS.map(HeaderName::from_static))
        .expose_headers(ANSWER_HEADERS.map(HeaderName::from_static))
        .supports_credentials()
        .max_age(PREFLIGHT_SECONDS);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin.as_str()))
}

/// Middleware around [`allow`]: a rejected preflight request returns a problem like every other
/// request.
///
/// # Errors
/// Propagates the errors of the wrapped service.
pub async fn explain_refusals<B: MessageBody>(req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let response = next.call(req).await?;
    let problem = match response.response().error().and_then(|error| error.as_error::<CorsError>()) {
        None => return Ok(response.map_into_left_body()),
        Some(CorsError::OriginNotAllowed) => not_allowed(),
        Some(wrong_request) => Error::refused(ErrorCode::OriginNotAllowed, format!("{wrong_request}.")),
    };
    Ok(response.into_response(problem.error_response()).map_into_right_body())
}
