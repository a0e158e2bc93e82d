//! An end to every request.

use std::time::Duration;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use crate::error::{self, ErrorCode};

/// Answers 503 `timeout` when the answer has not begun after `limit`. What was being done is dropped; a
/// transaction that was open is rolled back, a scan already queued is still written and found by its id.
pub async fn within<B: MessageBody>(limit: Duration, req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
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
