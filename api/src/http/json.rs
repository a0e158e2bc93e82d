//! JSON bodies: typed and validated. Unknown fields are rejected, and every error is a problem that
//! names the field.

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use validator::{Validate, ValidationErrors, ValidationErrorsKind};

use crate::error::{Error, ErrorCode, FieldError, Result};

/// Maximum size of a body if a route sets no other limit, in bytes.
pub const DEFAULT_LIMIT_BYTES: usize = 64 * 1024;

/// A JSON body that was parsed and that passed its `validator` rules.
///
/// # Errors
/// Returns 415 `unsupported_media_type`, 413 `payload_too_large`, 400 `malformed_json`, or 422
/// `validation_failed` that names every invalid field.
///
/// `LIMIT` is the maximum size of the body, in bytes.
#[derive(Debug)]
pub struct Json<T, const LIMIT: usize = DEFAULT_LIMIT_BYTES>(pub T);

impl<T: DeserializeOwned + Validate + 'static, const LIMIT: usize> FromRequest for Json<T, LIMIT> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read::<T, LIMIT>(req, payload, &["application/json"]);
        Box::pin(async move { body.await.map(Self) })
    }
}

/// A JSON Merge Patch (RFC 7396), as `application/merge-patch+json` or plain JSON. The fields of
/// `T` are `Option`. Fields for which null is a value are `Option<Option<_>>` with [`present`].
///
/// # Errors
/// Same as [`Json`].
#[derive(Debug)]
pub struct MergePatch<T>(pub T);

impl<T: DeserializeOwned + Validate + 'static> FromRequest for MergePatch<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read::<T, DEFAULT_LIMIT_BYTES>(req, payload, &["application/merge-patch+json", "application/json"]);
        Box::pin(async move { body.await.map(Self) })
    }
}

/// Distinguishes a field that is null from an absent one:
/// `#[serde(default, deserialize_with = "present")]`.
///
/// # Errors
/// Fails if the value has the wrong type.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Name of the header that makes a request safe to send again.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// SHA-256 of the body of a request that carries an idempotency key.
pub struct BodyDigest(pub [u8; 32]);

fn read<T: DeserializeOwned + Validate + 'static, const LIMIT: usize>(
    req: &HttpRequest,
    payload: &mut Payload,
    content_types: &'static [&'static str],
) -> impl Future<Output = Result<T>> + 'static {
    let is_json = has_content_type(req, content_types);
    let body = web::Payload::from_request(req, payload);
    let req = req.clone();
    async move {
        if !is_json {
            return Err(Error::refused(
                ErrorCode::UnsupportedMediaType,
                format!("This address accepts JSON. Send the header Content-Type: {}.", content_types[0]),
            ));
        }
        let unreadable = |_| Error::refused(ErrorCode::MalformedJson, "The body could not be read completely. Send it again.");
        let too_large = |_| Error::refused(ErrorCode::PayloadTooLarge, format!("The body exceeds the limit of {LIMIT} bytes of this address."));
        let bytes = body.await.map_err(unreadable)?.to_bytes_limited(LIMIT).await.map_err(too_large)?.map_err(unreadable)?;
        if req.headers().contains_key(IDEMPOTENCY_KEY) {
            req.extensions_mut().insert(BodyDigest(Sha256::digest(&bytes).into()));
        }
        let value: T = parse(&bytes)?;
        value.validate().map_err(|errors| Error::invalid(field_errors(&errors)))?;
        Ok(value)
    }
}

fn has_content_type(req: &HttpRequest, accepted: &[&str]) -> bool {
    req.headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| accepted.iter().any(|accepted| value.trim().eq_ignore_ascii_case(accepted)))
}

/// Parses a complete JSON text.
///
/// # Errors
/// Returns `malformed_json` if it is not JSON, and `validation_failed` with a JSON Pointer if it
/// does not match the type.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = json_pointer(error.path());
        parse_error(error.inner(), pointer)
    })?;
    deserializer.end().map_err(|error| parse_error(&error, String::new()))?;
    Ok(value)
}

/// Converts a JSON value that is part of a larger body into `T`. `pointer` is its position in that
/// body.
///
/// # Errors
/// Returns `validation_failed` with a JSON Pointer into the whole body.
pub fn from_value<T: DeserializeOwned>(value: serde_json::Value, pointer: &str) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inner = format!("{pointer}{}", json_pointer(error.path()));
        parse_error(error.inner(), inner)
    })
}

/// The problem for a JSON value that could not be converted.
pub fn parse_error(error: &serde_json::Error, pointer: String) -> Error {
    if !error.is_data() {
        return Error::refused(
            ErrorCode::MalformedJson,
            format!("The body is not well-formed JSON (line {}, column {}).", error.line(), error.column()),
        );
    }
    Error::invalid(vec![data_error(&error.to_string(), pointer)])
}

/// Converts serde's message into a field error: without positions, and with a pointer to the field.
fn data_error(message: &str, pointer: String) -> FieldError {
    let message = message.split(" at line ").next().unwrap_or(message);
    let named = |prefix: &str| message.strip_prefix(prefix).and_then(|rest| rest.split('`').next());
    if let Some(field) = named("unknown field `") {
        // serde_path_to_error already ends with the field, except inside flattened or untagged
        // types.
        let pointer = if pointer.ends_with(&format!("/{field}")) { pointer } else { format!("{pointer}/{field}") };
        return FieldError::new(pointer, "unknown_field", format!("Unknown field \"{field}\"."));
    }
    if let Some(field) = named("missing field `") {
        return FieldError::new(format!("{pointer}/{field}"), "missing_field", format!("The field \"{field}\" is required."));
    }
    if message.starts_with("unknown variant") {
        return FieldError::new(pointer, "unknown_value", format!("{}.", first_upper(message)));
    }
    FieldError::new(pointer, "wrong_type", format!("{}.", first_upper(message)))
}

fn first_upper(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// The fields that failed validation, without their values: a password must not appear in a
/// response.
pub fn field_errors(errors: &ValidationErrors) -> Vec<FieldError> {
    let mut found = Vec::new();
    collect_field_errors(errors, "", &mut found);
    found.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    found
}

fn collect_field_errors(errors: &ValidationErrors, prefix: &str, found: &mut Vec<FieldError>) {
    for (field, kind) in errors.errors() {
        let pointer = format!("{prefix}/{field}");
        match kind {
            ValidationErrorsKind::Field(failures) => found.extend(failures.iter().map(|failure| {
                let detail = failure.message.as_ref().map_or_else(|| rule_sentence(field, failure), ToString::to_string);
                FieldError::new(pointer.clone(), failure.code.to_string(), detail)
            })),
            ValidationErrorsKind::Struct(inner) => collect_field_errors(inner, &pointer, found),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    collect_field_errors(inner, &format!("{pointer}/{index}"), found);
                }
            }
        }
    }
}

fn rule_sentence(field: &str, failure: &validator::ValidationError) -> String {
    let bound = |name: &str| failure.params.get(name).map(ToString::to_string);
    match (failure.code.as_ref(), bound("min"), bound("max")) {
        ("length", Some(min), Some(max)) => format!("{field} must have {min} to {max} characters or items."),
        ("length", Some(min), None) => format!("{field} must have at least {min} characters or items."),
        ("length", None, Some(max)) => format!("{field} must have at most {max} characters or items."),
        ("range", Some(min), Some(max)) => format!("{field} must be between {min} and {max}."),
        ("email", ..) => format!("{field} must be an email address."),
        _ => format!("{field} is not valid."),
    }
}
