//! Small answers are sent as they are: with its head one fits into a packet anyway, and starting a compressor for it costs
//! more than all else that its answer does.

use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_ENCODING, HeaderValue};
use actix_web::middleware::Next;

/// Longest body that is not compressed, in bytes.
const MAX_SMALL: u64 = 1_024;
/// The compressor leaves alone what has an encoding.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

fn is_small<B: MessageBody>(response: &ServiceResponse<B>) -> bool {
    matches!(response.response().body().size(), BodySize::Sized(1..=MAX_SMALL))
}

/// Middleware, inside the compressor: keeps small answers from it.
///
/// # Errors
/// Those of what it wraps.
pub async fn keep(req: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(req).await?;
    if is_small(&response) && !response.headers().contains_key(CONTENT_ENCODING) {
        response.headers_mut().insert(CONTENT_ENCODING, IDENTITY);
    }
    Ok(response)
}

/// Middleware, outside the compressor: an encoding that is none is not told (RFC 9110, 8.4.1).
///
/// # Errors
/// Those of what it wraps.
pub async fn untold(req: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(req).await?;
    if is_small(&response) && response.headers().get(CONTENT_ENCODING) == Some(&IDENTITY) {
        response.headers_mut().remove(CONTENT_ENCODING);
    }
    Ok(response)
}
