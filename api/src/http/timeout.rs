//! An end to every request.

use std::time::Duration;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;

use crate::error::{self, ErrorCode};

/// A file takes as long as its line does; whoever takes it in gives up on a sender that stalls.
const UPLOAD_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Answers 503 `timeout` when the answer has not begun after `limit`. What was being done is dropped; a
/// transaction that was open is rolled back, a scan already queued is still written and found by its id.
pub async fn within<B: MessageBody>(limit: Duration, req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let limit = if is_upload(&req) { limit.max(UPLOAD_LIMIT) } else { limit };
    match tokio::time::timeout(limit, next.call(req)).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(error::Error::refused(
            ErrorCode::Timeout,
            format!("No answer within {} seconds. Try again with the same id: nothing is done twice.", limit.as_secs()),
        )
        .with_retry_after(1)
        .into()),
    }
}

fn is_upload(req: &ServiceRequest) -> bool {
    req.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"multipart/form-data"))
}
