//! Query strings: typed, unknown parameters are rejected.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorCode, FieldError, Result};

/// A query string that was parsed into `T`. The struct should be `deny_unknown_fields`.
///
/// # Errors
/// Returns 400 `invalid_query`, which names the invalid parameter.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let parsed = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(form_pairs(req.query_string())));
        ready(parsed.map(Self).map_err(|error| {
            let message = error.inner().to_string();
            let parameter = message
                .strip_prefix("unknown field `")
                .and_then(|rest| rest.split('`').next())
                .map_or_else(|| error.path().to_string(), str::to_owned);
            Error::refused(ErrorCode::InvalidQuery, format!("The query string is invalid: {message}.")).with_errors(vec![FieldError::new(
                parameter,
                "invalid_parameter",
                message,
            )])
        }))
    }
}

fn form_pairs(query: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.as_bytes())
}
