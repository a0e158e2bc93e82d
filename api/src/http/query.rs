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
        ready(parse(req.query_string()).map(Self))
    }
}

/// The parameters of a query string beside its filters: paging, or the format of a file.
pub trait BesideFilters {
    /// Their names.
    const NAMES: &'static [&'static str];
}

/// A query string with the filters `F` of a resource and other parameters `P`. Lists and exports
/// share `F`, so they can't have different filters.
///
/// Two structs instead of `#[serde(flatten)]`, which neither rejects unknown parameters nor reads
/// numbers from text.
///
/// # Errors
/// As [`Query`].
#[derive(Debug)]
pub struct FilterQuery<F, P>(pub F, pub P);

impl<F: DeserializeOwned, P: DeserializeOwned + BesideFilters> FromRequest for FilterQuery<F, P> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(parse_both(req.query_string()))
    }
}

fn parse_both<F: DeserializeOwned, P: DeserializeOwned + BesideFilters>(query: &str) -> Result<FilterQuery<F, P>> {
    let mut filters = form_urlencoded::Serializer::new(String::new());
    let mut others = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let part = if P::NAMES.contains(&&*name) { &mut others } else { &mut filters };
        part.append_pair(&name, &value);
    }
    Ok(FilterQuery(parse(&filters.finish())?, parse(&others.finish())?))
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let parsed = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs));
    parsed.map_err(|error: serde_path_to_error::Error<serde::de::value::Error>| {
        let message = error.inner().to_string();
        let parameter =
            message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()).map_or_else(|| error.path().to_string(), str::to_owned);
        let detail = format!("The query string is invalid: {message}.");
        let field = FieldError::new(parameter, "invalid_parameter", message);
        Error::refused(ErrorCode::InvalidQuery, detail).with_errors(vec![field])
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filters {
        q: Option<String>,
        id: Option<i64>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Paging {
        limit: Option<u32>,
    }

    impl BesideFilters for Paging {
        const NAMES: &'static [&'static str] = &["limit"];
    }

    #[test]
    fn each_struct_gets_its_own_parameters() {
        let FilterQuery(filters, paging) = parse_both::<Filters, Paging>("limit=5&q=a%26limit%3D6+b&id=7").unwrap();
        assert_eq!((filters.q.as_deref(), filters.id), (Some("a&limit=6 b"), Some(7)));
        assert_eq!(paging.limit, Some(5));
    }

    #[test]
    fn unknown_and_invalid_parameters_are_refused() {
        for query in ["colour=red", "id=x", "limit=x", "limit=1&limit=2", "q=a&q=b"] {
            assert!(parse_both::<Filters, Paging>(query).is_err(), "{query}");
        }
    }
}
