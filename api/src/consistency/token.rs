//! `X-Consistency-Token`: a position that a client carries from an answer to a request, of its own or of another client.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

use crate::db::Lsn;
use crate::error::{Error, ErrorCode, Result};

/// Name of the header, of answers and of requests.
pub const HEADER: HeaderName = HeaderName::from_static("x-consistency-token");

/// What a read is asked to include, if its request says so.
///
/// # Errors
/// 400 `invalid_consistency_token`.
pub fn token_of(req: &HttpRequest) -> Result<Option<Lsn>> {
    let Some(value) = req.headers().get(HEADER) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| text.parse().ok());
    token.map(Some).ok_or_else(|| {
        Error::refused(ErrorCode::InvalidConsistencyToken, "X-Consistency-Token must be as an earlier answer had it. Leave it out, or send that.")
    })
}
