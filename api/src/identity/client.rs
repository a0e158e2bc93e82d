//! Who is at the other end, for audit rows and sessions.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::http::address::{IPV6_NETWORK_BITS, address_of, network_of};
use crate::http::request_id::RequestId;

/// Longest user agent kept, in bytes.
const MAX_USER_AGENT: usize = 256;

/// Address, user agent and request id of the caller, and the API key that was used.
#[derive(Debug, Clone, Default)]
pub struct Client {
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    /// Of the API key; `None` for people who are signed in.
    pub api_key_id: Option<i64>,
}

impl Client {
    /// The address as limits count it; empty when it is not known.
    pub fn network(&self) -> String {
        let Some(address) = self.ip.as_deref().and_then(|text| text.parse().ok()) else { return String::new() };
        match network_of(address) {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(network) => format!("{network}/{IPV6_NETWORK_BITS}"),
        }
    }
}

/// The valid API key of a request, by its id: put into the extensions of the request where keys are checked.
#[derive(Debug, Clone, Copy)]
pub struct UsedApiKey(pub i64);

impl FromRequest for Client {
    type Error = Infallible;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let user_agent = req.headers().get(header::USER_AGENT).map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect()
        });
        ready(Ok(Self {
            ip: address_of(req).map(|address| address.to_string()),
            user_agent,
            request_id: req.extensions().get::<RequestId>().map(|id| id.0.clone()),
            api_key_id: req.extensions().get::<UsedApiKey>().map(|key| key.0),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let network = |ip: &str| Client { ip: Some(ip.to_owned()), ..Client::default() }.network();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2::"), network("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(Client::default().network(), "");
    }
}
