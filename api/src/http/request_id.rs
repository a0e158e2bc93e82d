//! `X-Request-Id`: accepted if well-formed, otherwise generated, echoed, and available to all code
//! that runs for the request.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use uuid::Uuid;

use super::security_headers;
use crate::error::context::REQUEST_ID;

/// Name of the header.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Maximum length of an id from a client, in characters.
const MAX_LENGTH: usize = 128;

/// The id of one request.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Outermost middleware, so that everything inside has the id.
pub async fn middleware(req: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = req
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|value| is_well_formed(value))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    let header = HeaderValue::from_str(&id).map_err(actix_web::error::ErrorInternalServerError)?;
    req.extensions_mut().insert(RequestId(id.clone()));
    REQUEST_ID
        .scope(id, async {
            match next.call(req).await {
                Ok(mut response) => {
                    response.headers_mut().insert(HEADER, header);
                    Ok(response)
                }
                // A middleware aborted the request (a timeout): write its problem while the id is
                // known.
                Err(error) => {
                    let mut response = error.error_response();
                    security_headers::apply(response.headers_mut());
                    response.headers_mut().insert(HEADER, header);
                    Err(InternalError::from_response(error.to_string(), response).into())
                }
            }
        })
        .await
}

fn is_well_formed(id: &str) -> bool {
    (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte))
}
