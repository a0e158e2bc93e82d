//! Closes connections after the response: while the process is stopping, and connections above the
//! limit.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::web;

use super::connections::Connection;
use crate::state::AppState;

/// Middleware: while the process is stopping, every answer is the last of its connection (`Connection: close`), so that the next request
/// comes over a new one, to another process. The same applies to connections above the limit.
///
/// # Errors
/// Those of what it wraps.
pub async fn close_connections<B: MessageBody>(req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let state = req.app_data::<web::Data<AppState>>().expect("the server always has its state").clone();
    let connection = req.conn_data::<Connection>();
    if let Some(connection) = connection {
        connection.record_request();
    }
    let is_overflow = connection.is_some_and(Connection::is_overflow);
    let mut response = next.call(req).await?;
    if is_overflow || state.is_stopping() {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
