//! Limits of this process by caller, with actix-governor.

use std::net::IpAddr;

use actix_governor::governor::NotUntil;
use actix_governor::governor::clock::{Clock, DefaultClock, QuantaInstant};
use actix_governor::governor::middleware::NoOpMiddleware;
use actix_governor::{GovernorConfig, GovernorConfigBuilder, KeyExtractor};
use actix_web::dev::ServiceRequest;
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};

use crate::error::{Error, ErrorCode};

/// Whom a request is counted for: the user of a valid token, else the address it comes from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum CallerKey {
    User(i64),
    Address(IpAddr),
    Unknown,
}

/// Counts by address: for sign-in, where there is no bearer yet.
#[derive(Clone)]
pub struct ByAddress;

/// Limit shared by all workers of the process.
pub type Limiter<K> = GovernorConfig<K, NoOpMiddleware<QuantaInstant>>;

/// A budget of `per_minute` requests that refills evenly and may be spent at once.
pub fn limiter<K: KeyExtractor>(key: K, per_minute: u32) -> Limiter<K> {
    GovernorConfigBuilder::default()
        .key_extractor(key)
        .requests_per_minute(u64::from(per_minute))
        .burst_size(per_minute)
        .finish()
        .expect("limits are 1 or more, which the configuration checks")
}

impl KeyExtractor for ByAddress {
    type Key = CallerKey;
    type KeyExtractionError = Error;

    fn extract(&self, req: &ServiceRequest) -> Result<Self::Key, Self::KeyExtractionError> {
        Ok(req.peer_addr().map_or(CallerKey::Unknown, |address| CallerKey::Address(address.ip())))
    }

    fn exceed_rate_limit_response(&self, negative: &NotUntil<QuantaInstant>, _response: HttpResponseBuilder) -> HttpResponse {
        too_many(negative)
    }
}

/// The 429 answer.
pub fn too_many(negative: &NotUntil<QuantaInstant>) -> HttpResponse {
    let seconds = negative.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
    Error::refused(ErrorCode::RateLimited, format!("Too many requests. Wait {seconds} seconds and try again."))
        .with_retry_after(seconds)
        .error_response()
}
