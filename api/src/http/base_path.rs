//! The path prefix under which clients reach the server if it shares a host with other
//! applications.
//!
//! Internally the server works as if it had the host to itself: the prefix is removed before any
//! other code sees a request, and added to the addresses in responses. Requests without the prefix
//! are served too, for load balancers and for proxies that strip the prefix themselves.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::uri::PathAndQuery;
use actix_web::middleware::Next;

use crate::error::context::BASE_PATH;

/// First segments of the server's own paths. A base path that starts with one of them would be
/// ambiguous.
const OWN_PARTS: [&str; 8] = ["_app", ".well-known", "api", "docs", "health", "metrics", "problems", "openapi.json"];

/// `/tracking`, or empty if the server has the host to itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(Arc<str>);

impl BasePath {
    /// Whether the server has the host to itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The prefix of every path of the server.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The rest of a path under this prefix.
    fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(self.as_str())? {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BasePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let parts = text.strip_prefix('/').ok_or("start with a slash, e.g. /tracking")?;
        if parts.is_empty() || parts.ends_with('/') {
            return Err("remove the trailing slash; omit the setting if there is no path".into());
        }
        let is_plain = |part: &str| {
            !matches!(part, "" | "." | "..") && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
        };
        if !parts.split('/').all(is_plain) {
            return Err("use letters, digits, '-', '.', '_' and '~' between the slashes".into());
        }
        if let Some(own) = parts.split('/').next().filter(|part| OWN_PARTS.contains(part)) {
            return Err(format!("the server uses paths that start with /{own}; choose another path"));
        }
        Ok(Self(text.into()))
    }
}

/// Outermost middleware, so that no other middleware sees the base path.
///
/// # Errors
/// Propagates the errors of the wrapped service.
pub async fn middleware<B: MessageBody>(base: BasePath, mut req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, actix_web::Error> {
    if base.is_root() {
        return next.call(req).await;
    }
    enter(&base, &mut req);
    let mut response = BASE_PATH.scope(base.0.clone(), next.call(req)).await?;
    rewrite(response.headers_mut(), header::LOCATION, |address| address.starts_with('/').then(|| format!("{base}{address}")));
    rewrite(response.headers_mut(), header::LINK, |links| Some(links.replace("</", &format!("<{base}/"))));
    Ok(response)
}

/// Removes the base path from the address of a request, if present.
fn enter(base: &BasePath, req: &mut ServiceRequest) {
    let Some(path) = base.strip(req.path()) else { return };
    let inner = match req.query_string() {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    };
    let mut parts = req.uri().clone().into_parts();
    // A part of a valid address is valid, so neither conversion can fail.
    let Ok(inner) = PathAndQuery::try_from(inner) else { return };
    parts.path_and_query = Some(inner);
    let Ok(uri) = Uri::from_parts(parts) else { return };
    req.match_info_mut().get_mut().update(&uri);
    req.head_mut().uri = uri;
}

/// Replaces the value of a header with the result of `rewritten`.
fn rewrite(headers: &mut HeaderMap, name: HeaderName, rewritten: impl Fn(&str) -> Option<String>) {
    let new = headers.get(&name).and_then(|value| value.to_str().ok()).and_then(rewritten);
    if let Some(value) = new.and_then(|new| HeaderValue::from_str(&new).ok()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_plain_and_not_one_of_the_servers_own() {
        for good in ["", "/tracking", "/a/b", "/v1.2_x~y-z"] {
            assert_eq!(good.parse::<BasePath>().expect(good).as_str(), good);
        }
        for bad in
            ["/", "tracking", "/tracking/", "//tracking", "/a//b", "/a/../b", "/.", "/a b", "/a?b", "/a%20b", "/\"x", "/é", "/api", "/health/x"]
        {
            assert!(bad.parse::<BasePath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_whole_parts_of_a_path_are_taken_off() {
        let base: BasePath = "/tracking".parse().unwrap();
        assert_eq!(base.strip("/tracking"), Some("/"));
        assert_eq!(base.strip("/tracking/"), Some("/"));
        assert_eq!(base.strip("/tracking/bags/SB12345"), Some("/bags/SB12345"));
        assert_eq!(base.strip("/trackings"), None);
        assert_eq!(base.strip("/bags"), None);
    }
}
