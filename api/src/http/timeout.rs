//! A time limit for every request.

use std::time::Duration;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;

use crate::error::{self, ErrorCode};

/// An upload takes as long as the connection needs; the code that reads it aborts if the sender
/// stalls.
const UPLOAD_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Answers 503 `timeout` if the response has not started after `limit`. The work in progress is
/// dropped: an open transaction is rolled back, but a scan that is already queued is still written,
/// and can be found by its id.
pub async fn within<B: MessageBody>(limit: Duration, req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let limit = if is_upload(&req) { limit.max(UPLOAD_LIMIT) } else { limit };
    match tokio::time::timeout(limit, next.call(req)).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(error::Error::refused(
            ErrorCode::Timeout,
            format!("No response within {} seconds. Try again with the same id: nothing is done twice.", limit.as_secs()),
        )
        .with_retry_after(1)
        .into()),
    }
}

fn is_upload(req: &ServiceRequest) -> bool {
    req.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"multipart/form-data"))
}
