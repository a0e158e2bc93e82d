//! The path under which people reach the server, where it shares a host with others.
//!
//! Inside, everything is as though the server had the host to itself: the path is taken off before anybody looks at a
//! request, and put in front of the addresses that go out. A request without it is answered too, for load balancers and
//! for proxies that take it off themselves.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::uri::PathAndQuery;
use actix_web::middleware::Next;

/// First parts of the server's own paths: under one of these nothing could be told apart.
const OWN_PARTS: [&str; 8] = ["_app", ".well-known", "api", "docs", "health", "metrics", "problems", "openapi.json"];

/// `/tracking`, or nothing where the server has the host to itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(Arc<str>);

impl BasePath {
    /// Does the server have the host to itself?
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The text to put before a path of the server.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is left of a path under this one.
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
        let parts = text.strip_prefix('/').ok_or("begin it with a slash, as in /tracking")?;
        if parts.is_empty() || parts.ends_with('/') {
            return Err("leave the slash at the end out; without a path leave the setting out".into());
        }
        let is_plain = |part: &str| {
            !matches!(part, "" | "." | "..") && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
        };
        if !parts.split('/').all(is_plain) {
            return Err("use letters, digits, '-', '.', '_' and '~' between the slashes".into());
        }
        if let Some(own) = parts.split('/').next().filter(|part| OWN_PARTS.contains(part)) {
            return Err(format!("the server's own addresses begin with /{own}; choose another"));
        }
        Ok(Self(text.into()))
    }
}

tokio::task_local! {
    static CURRENT: BasePath;
}

/// The path of the request being handled by this task, for addresses in answers.
pub fn current() -> BasePath {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Middleware: outermost, so that no other knows of the path.
///
/// # Errors
/// Those of what it wraps.
pub async fn middleware<B: MessageBody>(base: BasePath, mut req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, actix_web::Error> {
    if base.is_root() {
        return next.call(req).await;
    }
    enter(&base, &mut req);
    let mut response = CURRENT.scope(base.clone(), next.call(req)).await?;
    rewrite(response.headers_mut(), header::LOCATION, |address| address.starts_with('/').then(|| format!("{base}{address}")));
    rewrite(response.headers_mut(), header::LINK, |links| Some(links.replace("</", &format!("<{base}/"))));
    Ok(response)
}

/// Takes the path off the address of a request, where it is there.
fn enter(base: &BasePath, req: &mut ServiceRequest) {
    let Some(path) = base.strip(req.path()) else { return };
    let inner = match req.query_string() {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    };
    let mut parts = req.uri().clone().into_parts();
    // A part of a valid address is one, so neither can fail.
    let Ok(inner) = PathAndQuery::try_from(inner) else { return };
    parts.path_and_query = Some(inner);
    let Ok(uri) = Uri::from_parts(parts) else { return };
    req.match_info_mut().get_mut().update(&uri);
    req.head_mut().uri = uri;
}

/// Puts what `rewritten` makes of a header in its place.
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
