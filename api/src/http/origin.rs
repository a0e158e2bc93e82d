//! Which web pages may use the session of a browser.

use std::fmt;
use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use reqwest::Url;

use crate::error::{Error, ErrorCode, Result};

/// Scheme, host and port of a web page, in the form that browsers send: `https://app.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// The origin of an address, or `None` if it is not the address of a web page.
    pub fn of(address: &str) -> Option<Self> {
        let url = Url::parse(address).ok()?;
        matches!(url.scheme(), "http" | "https").then(|| Self(url.origin().ascii_serialization()))
    }

    /// The value of the `Origin` header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match Self::of(text) {
            Some(origin) if origin.0 == text => Ok(origin),
            Some(origin) => Err(format!("use the format that browsers send: {origin}")),
            None => Err("use https://host or https://host:port; patterns are not supported".into()),
        }
    }
}

/// Origins whose pages may use the session, in addition to those of the server itself.
#[derive(Debug, Clone, Default)]
pub struct KnownOrigins(pub Vec<Origin>);

/// Extractor: accepts only requests that no foreign page made a browser send with its cookie.
///
/// # Errors
/// Returns 403 `origin_not_allowed`.
#[derive(Debug)]
pub struct KnownOrigin;

impl FromRequest for KnownOrigin {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        // Only browsers send this header, and no page can remove it.
        let Some(origin) = req.headers().get(header::ORIGIN) else { return ready(Ok(Self)) };
        let is_known = origin.to_str().is_ok_and(|origin| is_same_origin(req, origin) || is_listed(req, origin));
        ready(if is_known { Ok(Self) } else { Err(not_allowed()) })
    }
}

/// The browser says that the origin is the same, or the page's host is the one that the request was
/// sent to. (Pages can set neither `Sec-Fetch-Site` nor `Host`, and `X-Forwarded-Host` only after a
/// preflight request.)
fn is_same_origin(req: &HttpRequest, origin: &str) -> bool {
    let is_declared_same = req.headers().get("sec-fetch-site").is_some_and(|site| site == "same-origin");
    is_declared_same || origin.split_once("://").is_some_and(|(_scheme, host)| host.eq_ignore_ascii_case(req.connection_info().host()))
}

fn is_listed(req: &HttpRequest, origin: &str) -> bool {
    req.app_data::<web::Data<KnownOrigins>>().is_some_and(|known| known.0.iter().any(|listed| listed.0 == origin))
}

/// The refusal for a foreign page.
pub fn not_allowed() -> Error {
    Error::refused(
        ErrorCode::OriginNotAllowed,
        "This web page may not use sessions of this server. To allow it, add its origin to CORS_ALLOWED_ORIGINS; \
         behind a proxy, forward the Host header or set PUBLIC_URL.",
    )
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_do() {
        for good in ["https://app.example.com", "http://localhost:5173", "https://xn--bcher-kva.example", "http://[::1]:8080"] {
            assert_eq!(good.parse::<Origin>().expect(good).as_str(), good);
        }
        for bad in [
            "",
            "*",
            "null",
            "https://*.example.com/",
            "https://a.example/",
            "https://a.example/app",
            "https://A.example",
            "a.example",
            "ftp://a.example",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
        assert_eq!("https://a.example:443".parse::<Origin>().unwrap_err(), "use the format that browsers send: https://a.example");
    }

    fn is_allowed(headers: &[(&str, &str)]) -> bool {
        let known = KnownOrigins(vec!["https://app.example".parse().unwrap()]);
        let request = TestRequest::default().app_data(web::Data::new(known));
        let request = headers.iter().fold(request, |request, header| request.insert_header(*header));
        KnownOrigin::from_request(&request.to_http_request(), &mut Payload::None).into_inner().is_ok()
    }

    #[test]
    fn foreign_pages_are_refused() {
        assert!(is_allowed(&[("host", "api.example")]), "not a browser");
        assert!(is_allowed(&[("host", "api.example"), ("origin", "https://api.example")]));
        assert!(is_allowed(&[("host", "api.example:8443"), ("origin", "https://api.example:8443")]));
        assert!(is_allowed(&[("host", "127.0.0.1:8080"), ("x-forwarded-host", "api.example"), ("origin", "https://api.example")]));
        assert!(is_allowed(&[("host", "127.0.0.1:8080"), ("sec-fetch-site", "same-origin"), ("origin", "https://api.example")]));
        assert!(is_allowed(&[("host", "api.example"), ("origin", "https://app.example")]), "the origin is listed");
        for origin in ["https://evil.example", "https://api.example.evil.example", "https://api.example:8443", "http://app.example", "null"] {
            assert!(!is_allowed(&[("host", "api.example"), ("sec-fetch-site", "same-site"), ("origin", origin)]), "{origin}");
        }
    }
}
