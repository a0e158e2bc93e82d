//! Who is at the other end, for audit rows and sessions.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use ipnet::IpNet;

use super::request_id::RequestId;

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

/// The valid API key of a request, by its id: put into the extensions of the request where keys are
/// checked.
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

/// The proxies whose word on a client's address is taken; none by default.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(pub Vec<IpNet>);

/// The address of the client: of the peer, or, where that is a trusted proxy, the last address in
/// `X-Forwarded-For` that is not one. What stands further left was written by anybody.
pub fn address_of(req: &HttpRequest) -> Option<IpAddr> {
    let peer = req.peer_addr()?.ip().to_canonical();
    let Some(trusted) = req.app_data::<web::Data<TrustedProxies>>() else { return Some(peer) };
    let is_trusted = |address: &IpAddr| trusted.0.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return Some(peer);
    }
    let hops: Vec<&str> =
        req.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut nearest = peer;
    for hop in hops.iter().rev() {
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        nearest = address.to_canonical();
        if !is_trusted(&nearest) {
            break;
        }
    }
    Some(nearest)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn address(peer: &str, forwarded: &[&str]) -> String {
        let trusted = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]);
        let mut request = TestRequest::default().app_data(web::Data::new(trusted)).peer_addr(format!("{peer}:1234").parse().unwrap());
        for value in forwarded {
            request = request.append_header(("x-forwarded-for", *value));
        }
        address_of(&request.to_http_request()).unwrap().to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(address("203.0.113.7", &["198.51.100.1"]), "203.0.113.7", "anybody can send the header");
        assert_eq!(address("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(address("10.0.0.1", &["1.2.3.4, 198.51.100.1, 10.0.0.2"]), "198.51.100.1", "what stands further left was made up");
        assert_eq!(address("10.0.0.1", &["1.2.3.4", "198.51.100.1"]), "198.51.100.1", "several headers are one list");
        assert_eq!(address("10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(address("10.0.0.1", &[]), "10.0.0.1");
    }
}
