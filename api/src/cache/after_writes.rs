//! After a write nobody is shown what was before it.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web;

use super::Topic;
use crate::state::AppState;

/// Middleware: every call that may have changed something, whatever its answer, makes new versions before the caller has
/// that answer. So nobody who wrote can be shown what was before.
pub async fn invalidate_after_writes(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let may_write = !matches!(*req.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let state = req.app_data::<web::Data<AppState>>().cloned();
    let response = next.call(req).await;
    if let (true, Some(state)) = (may_write, state) {
        for topic in Topic::ALL {
            state.cache.invalidate(topic);
        }
    }
    response
}
