//! `X-Consistency-Token`: a log position that a client copies from a response into a later request.
//! The response may belong to another client.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

use crate::db::Lsn;
use crate::error::{Error, ErrorCode, Result};

/// Name of the header in responses and requests.
pub const HEADER: HeaderName = HeaderName::from_static("x-consistency-token");

/// The position that the read must include, if the request states one.
///
/// # Errors
/// Returns 400 `invalid_consistency_token`.
pub fn token_of(req: &HttpRequest) -> Result<Option<Lsn>> {
    let Some(value) = req.headers().get(HEADER) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| text.parse().ok());
    token.map(Some).ok_or_else(|| {
        Error::refused(
            ErrorCode::InvalidConsistencyToken,
            "X-Consistency-Token must be the value from an earlier response. Send that value or omit the header.",
        )
    })
}
