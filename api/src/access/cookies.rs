//! The cookies of the sign-in calls.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{self, HeaderName};

use crate::config::{Config, CookieSameSite};

/// The calls that read the cookies are below this path.
const PATH: &str = "/api/v1/auth";

/// The header that sets a cookie for the sign-in calls. Scripts can't read it.
pub fn set(name: &str, value: String, max_age: Duration, config: &Config) -> (HeaderName, String) {
    let path = format!("{}{PATH}", config.base_path);
    // Browsers keep back cookies of other sites, except those that are another one on every site
    // (CHIPS).
    let (same_site, partitioned) = match config.cookie_same_site {
        CookieSameSite::Strict => (SameSite::Strict, ""),
        CookieSameSite::Lax => (SameSite::Lax, ""),
        CookieSameSite::None => (SameSite::None, "; Partitioned"),
    };
    let cookie = Cookie::build(name, value).path(path).http_only(true).secure(config.cookie_secure).same_site(same_site).max_age(max_age).finish();
    (header::SET_COOKIE, format!("{cookie}{partitioned}"))
}
