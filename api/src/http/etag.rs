//! `ETag`, `If-None-Match` and `If-Match` (RFC 9110, 13.1).
//!
//! The tag of a versioned resource is `"<version>-<fingerprint>"`. The fingerprint changes with
//! everything that is shown (such as a bill's weights), the version only with edits.
//! `If-None-Match` compares the whole tag, `If-Match` only the version.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{self, EntityTag, Header, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorCode, Result};

/// Bytes of the fingerprint in a tag: enough that two states of one resource never share it.
const FINGERPRINT_BYTES: usize = 12;
const KEEP_BUT_ASK: HeaderValue = HeaderValue::from_static("private, no-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The ETag of a body.
pub fn tag_of(body: &[u8], version: Option<i64>) -> EntityTag {
    let fingerprint = URL_SAFE_NO_PAD.encode(&Sha256::digest(body)[..FINGERPRINT_BYTES]);
    EntityTag::new_strong(match version {
        Some(version) => format!("{version}-{fingerprint}"),
        None => fingerprint,
    })
}

/// A serialized JSON body with its ETag. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tagged {
    body: Bytes,
    tag: HeaderValue,
}

impl Tagged {
    /// Serializes the value as JSON and computes its ETag.
    ///
    /// # Errors
    /// Fails if the value can't be serialized as JSON (never for plain structures).
    pub fn new<T: Serialize>(value: &T, version: Option<i64>) -> Result<Self> {
        let body = serde_json::to_vec(value).map_err(anyhow::Error::from)?;
        let tag = tag_of(&body, version);
        Self::with_tag(body, &tag)
    }

    /// Like [`Self::new`], for a value that contains its creation time. The ETag covers only
    /// `lasting`, the part that stays the same while nothing happens.
    ///
    /// # Errors
    /// Same as [`Self::new`].
    pub fn as_of<T: Serialize, L: Serialize>(value: &T, lasting: &L) -> Result<Self> {
        let tag = tag_of(&serde_json::to_vec(lasting).map_err(anyhow::Error::from)?, None);
        Self::with_tag(serde_json::to_vec(value).map_err(anyhow::Error::from)?, &tag)
    }

    fn with_tag(body: Vec<u8>, tag: &EntityTag) -> Result<Self> {
        Ok(Self { body: body.into(), tag: HeaderValue::from_str(&tag.to_string()).map_err(anyhow::Error::from)? })
    }

    /// Answers a GET request: 200 with the body, or 304 if the client has the current version.
    pub fn respond(self, req: &HttpRequest) -> HttpResponse {
        let is_known = self.is_known(req);
        let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response.insert_header((header::ETAG, self.tag)).insert_header((header::CACHE_CONTROL, KEEP_BUT_ASK));
        if is_known { response.finish() } else { response.insert_header((header::CONTENT_TYPE, JSON)).body(self.body) }
    }

    fn is_known(&self, req: &HttpRequest) -> bool {
        let Some(known) = req.headers().get(header::IF_NONE_MATCH) else { return false };
        // Almost all clients send the single tag that they received.
        if known == self.tag {
            return true;
        }
        match (header::IfNoneMatch::parse(req), self.tag.to_str().ok().and_then(|tag| tag.parse::<EntityTag>().ok())) {
            (Ok(header::IfNoneMatch::Any), _) => true,
            (Ok(header::IfNoneMatch::Items(tags)), Some(own)) => tags.iter().any(|tag| tag.weak_eq(&own)),
            _ => false,
        }
    }
}

/// Answers a GET request: 200 with the `ETag`, or 304 if the client has the current version.
///
/// # Errors
/// Same as [`Tagged::new`].
pub fn respond<T: Serialize>(req: &HttpRequest, value: &T, version: Option<i64>) -> Result<HttpResponse> {
    Ok(Tagged::new(value, version)?.respond(req))
}

/// The `If-Match` header of a PATCH or DELETE.
#[derive(Debug)]
pub struct IfMatch(Option<header::IfMatch>);

impl FromRequest for IfMatch {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        if !req.headers().contains_key(header::IF_MATCH) {
            return ready(Ok(Self(None)));
        }
        // The parser drops malformed tags.
        let parsed = header::IfMatch::parse(req).ok().filter(|header| !matches!(header, header::IfMatch::Items(tags) if tags.is_empty()));
        let malformed = || Error::refused(ErrorCode::InvalidIfMatch, "The If-Match header must be the ETag from the response, including the quotes.");
        ready(parsed.map(|header| Self(Some(header))).ok_or_else(malformed))
    }
}

impl IfMatch {
    /// Checks that the caller has read this version.
    ///
    /// # Errors
    /// Returns 428 `if_match_required` without the header, 412 `stale_version` if the resource has
    /// changed since.
    pub fn check(&self, version: i64) -> Result<()> {
        match &self.0 {
            None => {
                Err(Error::refused(ErrorCode::IfMatchRequired, "Send If-Match with the ETag that you received, to avoid overwriting other changes."))
            }
            Some(header::IfMatch::Any) => Ok(()),
            Some(header::IfMatch::Items(tags)) => {
                let is_seen = |tag: &EntityTag| tag.tag().split('-').next().and_then(|text| text.parse().ok()) == Some(version);
                if tags.iter().any(is_seen) {
                    return Ok(());
                }
                Err(Error::refused(ErrorCode::StaleVersion, "This has changed since you read it. Read it again and repeat your change."))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn check(header: Option<&str>, version: i64) -> Result<()> {
        let mut request = TestRequest::default();
        if let Some(value) = header {
            request = request.insert_header((header::IF_MATCH, value));
        }
        IfMatch::from_request(&request.to_http_request(), &mut Payload::None).into_inner()?.check(version)
    }

    #[test]
    fn an_editor_must_have_seen_the_version() {
        assert!(check(Some("\"3-abc\""), 3).is_ok());
        assert!(check(Some("\"3\""), 3).is_ok());
        assert!(check(Some("\"2-x\", \"3-y\""), 3).is_ok());
        assert!(check(Some("*"), 3).is_ok());
        for (header, status) in [(None, 428), (Some("\"2-abc\""), 412), (Some("\"abc\""), 412), (Some("3"), 400)] {
            assert_eq!(check(header, 3).unwrap_err().into_refusal().code.status().as_u16(), status, "{header:?}");
        }
    }

    #[test]
    fn a_tag_changes_with_what_is_shown() {
        assert_ne!(tag_of(b"a", Some(1)), tag_of(b"b", Some(1)));
        assert_eq!(tag_of(b"a", None), tag_of(b"a", None));
    }
}
