//! Closes connections after the response: while the process is stopping, and connections above the
//! limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::web;

use super::connections::Connection;

/// Whether the process is stopping. All clones say the same.
#[derive(Debug, Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// From now on every response is the last of its connection.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Draining::begin`] was called.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Middleware: while the process is stopping, every answer is the last of its connection (`Connection: close`), so that the next request
/// comes over a new one, to another process. The same applies to connections above the limit.
///
/// # Errors
/// Those of what it wraps.
pub async fn close_connections<B: MessageBody>(req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let draining = req.app_data::<web::Data<Draining>>().map(|draining| draining.get_ref().clone());
    let connection = req.conn_data::<Connection>();
    if let Some(connection) = connection {
        connection.record_request();
    }
    let is_overflow = connection.is_some_and(Connection::is_overflow);
    let mut response = next.call(req).await?;
    if is_overflow || draining.is_some_and(|draining| draining.has_begun()) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
