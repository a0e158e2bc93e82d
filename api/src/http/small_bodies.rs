//! Sends small responses uncompressed. With its headers, a small response fits into one packet
//! anyway, and starting a compressor costs more than the rest of the response.

use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_ENCODING, HeaderValue};
use actix_web::middleware::Next;

/// Maximum size of a body that is not compressed, in bytes.
const MAX_SMALL: u64 = 1_024;
/// The compressor skips responses that already have an encoding.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

fn is_small<B: MessageBody>(response: &ServiceResponse<B>) -> bool {
    matches!(response.response().body().size(), BodySize::Sized(1..=MAX_SMALL))
}

/// Middleware inside the compressor: makes it skip small responses.
///
/// # Errors
/// Propagates the errors of the wrapped service.
pub async fn keep(req: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(req).await?;
    if is_small(&response) && !response.headers().contains_key(CONTENT_ENCODING) {
        response.headers_mut().insert(CONTENT_ENCODING, IDENTITY);
    }
    Ok(response)
}

/// Middleware outside the compressor: removes the `identity` encoding, which must not be sent (RFC
/// 9110, 8.4.1).
///
/// # Errors
/// Propagates the errors of the wrapped service.
pub async fn untold(req: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(req).await?;
    if is_small(&response) && response.headers().get(CONTENT_ENCODING) == Some(&IDENTITY) {
        response.headers_mut().remove(CONTENT_ENCODING);
    }
    Ok(response)
}
