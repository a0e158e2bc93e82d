//! The problems that whole groups of operations share, for the OpenAPI document.

use utoipa::IntoResponses;

use crate::error::Problem;

/// Problems of every operation.
#[derive(IntoResponses)]
pub enum Always {
    /// Too many requests: wait for the time in `Retry-After`.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(#[to_schema] Problem),
    /// An internal server error, logged under the `request_id`.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(#[to_schema] Problem),
    /// The server is busy or the request takes too long: wait for the time in `Retry-After`.
    /// Retrying is safe.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
}

/// Problems of operations that require a signed-in caller.
#[derive(IntoResponses)]
pub enum SignedIn {
    /// The caller is not signed in, or the token is invalid, expired or belongs to a session that
    /// has ended.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Problem),
    /// The role does not allow the operation, or the password must be changed first.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
}

/// Problems of operations with a JSON body.
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
    /// A field is invalid; `errors` names it.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(#[to_schema] Problem),
}

/// Problems of operations with a query string.
#[derive(IntoResponses)]
pub enum WithQuery {
    /// The query string or the cursor is invalid.
    #[response(status = 400, content_type = "application/problem+json")]
    InvalidQuery(#[to_schema] Problem),
}

/// Problems of operations that require `If-Match`.
#[derive(IntoResponses)]
pub enum WithIfMatch {
    /// `stale_version`: the resource has changed since it was read.
    #[response(status = 412, content_type = "application/problem+json")]
    Stale(#[to_schema] Problem),
    /// `if_match_required`: send the `ETag` of the version that you read.
    #[response(status = 428, content_type = "application/problem+json")]
    Missing(#[to_schema] Problem),
}
