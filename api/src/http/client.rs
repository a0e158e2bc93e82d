//! Who is at the other end, for audit rows and sessions.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::request_id::RequestId;

/// Longest user agent kept, in bytes.
const MAX_USER_AGENT: usize = 256;

/// Address, user agent and request id of the caller.
#[derive(Debug, Clone, Default)]
pub struct Client {
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
}

impl FromRequest for Client {
    type Error = Infallible;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let user_agent = req.headers().get(header::USER_AGENT).map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect()
        });
        ready(Ok(Self {
            ip: req.peer_addr().map(|address| address.ip().to_string()),
            user_agent,
            request_id: req.extensions().get::<RequestId>().map(|id| id.0.clone()),
        }))
    }
}
