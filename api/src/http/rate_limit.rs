//! Limits of this process by caller, with actix-governor, told in the `RateLimit` headers of the IETF draft
//! (draft-ietf-httpapi-ratelimit-headers).

use std::net::IpAddr;

use actix_governor::governor::NotUntil;
use actix_governor::governor::clock::{Clock, DefaultClock, QuantaInstant};
use actix_governor::governor::middleware::StateInformationMiddleware;
use actix_governor::{GovernorConfig, GovernorConfigBuilder, KeyExtractor};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};

use super::address::{address_of, network_of};
use crate::error::{Error, ErrorCode};

/// Every limit is counted over a minute, in seconds.
const WINDOW_SECONDS: u64 = 60;

/// Whom a request is counted for: the API key or the user of a valid token, else the address it comes from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum CallerKey {
    User(i64),
    ApiKey(i64),
    Address(IpAddr),
    Unknown,
}

/// Counts by address, a network of IPv6 as one: for sign-in, where there is no bearer yet.
#[derive(Clone)]
pub struct ByAddress;

/// Limit shared by all workers of the process.
pub type Limiter<K> = GovernorConfig<K, StateInformationMiddleware>;

/// A budget of `per_minute` requests that refills evenly and may be spent at once.
pub fn limiter<K: KeyExtractor>(key: K, per_minute: u32) -> Limiter<K> {
    GovernorConfigBuilder::default()
        .key_extractor(key)
        .requests_per_minute(u64::from(per_minute))
        .burst_size(per_minute)
        .use_headers()
        .finish()
        .expect("limits are 1 or more, which the configuration checks")
}

impl KeyExtractor for ByAddress {
    type Key = CallerKey;
    type KeyExtractionError = Error;

    fn extract(&self, req: &ServiceRequest) -> Result<Self::Key, Self::KeyExtractionError> {
        Ok(address_of(req.request()).map_or(CallerKey::Unknown, |address| CallerKey::Address(network_of(address))))
    }

    fn exceed_rate_limit_response(&self, negative: &NotUntil<QuantaInstant>, _response: HttpResponseBuilder) -> HttpResponse {
        too_many(negative)
    }
}

/// The 429 answer.
pub fn too_many(negative: &NotUntil<QuantaInstant>) -> HttpResponse {
    let seconds = negative.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
    let mut response = Error::refused(ErrorCode::RateLimited, format!("Too many requests. Wait {seconds} seconds and try again."))
        .with_retry_after(seconds)
        .error_response();
    write_budget(response.headers_mut(), u64::from(negative.quota().burst_size().get()), 0);
    response
}

/// Middleware: tells what is left of the caller's budget, in the headers of the IETF draft instead of actix-governor's own.
pub async fn tell_budget(req: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let mut response = next.call(req).await?;
    let headers = response.headers_mut();
    let limit = take_number(headers, "x-ratelimit-limit");
    let remaining = take_number(headers, "x-ratelimit-remaining");
    for name in ["x-ratelimit-after", "x-ratelimit-whitelisted"] {
        headers.remove(name);
    }
    if let (Some(limit), Some(remaining)) = (limit.filter(|limit| *limit > 0), remaining) {
        write_budget(headers, limit, remaining);
    }
    Ok(response)
}

/// The budget of a caller: `limit` a minute, of which `remaining` are left.
pub fn write_budget(headers: &mut HeaderMap, limit: u64, remaining: u64) {
    let full_again = (limit.saturating_sub(remaining) * WINDOW_SECONDS).div_ceil(limit);
    for (name, value) in [
        ("ratelimit-policy", format!("\"default\";q={limit};w={WINDOW_SECONDS}")),
        ("ratelimit", format!("\"default\";r={remaining};t={full_again}")),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

fn take_number(headers: &mut HeaderMap, name: &'static str) -> Option<u64> {
    headers.remove(name).next()?.to_str().ok()?.parse().ok()
}
