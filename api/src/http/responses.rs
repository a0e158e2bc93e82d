//! The problems that whole groups of operations share, for the OpenAPI document.

use utoipa::IntoResponses;

use crate::error::Problem;

/// Problems of any operation.
#[derive(IntoResponses)]
pub enum Always {
    /// Too many requests: wait for the time in `Retry-After`.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(#[to_schema] Problem),
    /// A fault of the server, logged under the `request_id`.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(#[to_schema] Problem),
    /// Busy, or taking too long: wait for the time in `Retry-After`; trying again is safe.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
}

/// Problems of operations that need a signed-in caller.
#[derive(IntoResponses)]
pub enum SignedIn {
    /// Nobody is signed in, or the token is invalid, expired or of a session that has ended.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Problem),
    /// The role does not allow it, or the password must be changed first.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
}

/// Problems of operations that take a JSON body.
#[derive(IntoResponses)]
pub enum WithBody {
    /// The body is not well-formed JSON.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// The body is not declared as JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(#[to_schema] Problem),
    /// A field is wrong; `errors` names it.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(#[to_schema] Problem),
}

/// Problems of operations that take a query string.
#[derive(IntoResponses)]
pub enum WithQuery {
    /// The query string or the cursor is wrong.
    #[response(status = 400, content_type = "application/problem+json")]
    InvalidQuery(#[to_schema] Problem),
}

/// Problems of operations that need `If-Match`.
#[derive(IntoResponses)]
pub enum WithIfMatch {
    /// `stale_version`: somebody has changed it since it was read.
    #[response(status = 412, content_type = "application/problem+json")]
    Stale(#[to_schema] Problem),
    /// `if_match_required`: send the `ETag` of what you read.
    #[response(status = 428, content_type = "application/problem+json")]
    Missing(#[to_schema] Problem),
}
