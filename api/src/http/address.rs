//! The address of the client, also behind proxies.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::{HttpRequest, web};
use ipnet::IpNet;

/// Bits of an IPv6 address that name a network.
pub const IPV6_NETWORK_BITS: u32 = 64;

/// What counts as one address. With IPv6 every customer has a network of 64 bits, and as many addresses as they like.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - IPV6_NETWORK_BITS))).into(),
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
