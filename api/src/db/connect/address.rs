//! The addresses that a URL names, and the sockets to them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// TCP keepalive: idle connections are probed after this long, so that networks don't drop them and
/// a dead machine is noticed.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
/// Sent data that is not acknowledged for this long ends the connection.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(20);
/// The default of tokio-postgres, which can't be told from an explicit value.
const LIBRARY_KEEPALIVE_IDLE: Duration = Duration::from_secs(2 * 60 * 60);
const DEFAULT_PORT: u16 = 5432;

/// A byte stream over any kind of socket.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// The address of a server.
#[derive(Debug, Clone)]
pub(super) enum Address {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Address {
    /// All addresses of a configuration, in its order.
    pub fn all_of(config: &Config) -> Vec<Self> {
        let (hosts, host_addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
        let count = hosts.len().max(host_addresses.len());
        let port = |n: usize| ports.get(n).or_else(|| ports.first()).copied().unwrap_or(DEFAULT_PORT);
        let address = |n: usize| match (host_addresses.get(n), hosts.get(n)) {
            (Some(ip), _) => Some(Self::Tcp(ip.to_string(), port(n))),
            (None, Some(Host::Tcp(name))) => Some(Self::Tcp(name.clone(), port(n))),
            (None, Some(Host::Unix(folder))) => Some(Self::Unix(folder.join(format!(".s.PGSQL.{}", port(n))))),
            (None, None) => None,
        };
        (0..count).filter_map(address).collect()
    }

    /// Opens a socket. The IP addresses of a host name are tried in order.
    pub async fn connect(&self, config: &Config) -> io::Result<Box<dyn Transport>> {
        match self {
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Tcp(name, port) => {
                let mut last = io::Error::other("the host name has no address");
                for address in lookup_host((name.as_str(), *port)).await? {
                    match connect_tcp(address, config).await {
                        Ok(stream) => return Ok(Box::new(stream)),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(name, port) => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

async fn connect_tcp(address: SocketAddr, config: &Config) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_user_timeout(Some(config.get_tcp_user_timeout().copied().unwrap_or(TCP_USER_TIMEOUT)))?;
    if config.get_keepalives() {
        let idle = Some(config.get_keepalives_idle()).filter(|idle| *idle != LIBRARY_KEEPALIVE_IDLE);
        let keepalive = TcpKeepalive::new()
            .with_time(idle.unwrap_or(KEEPALIVE_IDLE))
            .with_interval(config.get_keepalives_interval().unwrap_or(KEEPALIVE_INTERVAL))
            .with_retries(config.get_keepalives_retries().unwrap_or(KEEPALIVE_RETRIES));
        socket.set_tcp_keepalive(&keepalive)?;
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_is_an_address_with_its_port() {
        let addresses = |url: &str| {
            let config: Config = url.parse().expect("a URL");
            Address::all_of(&config).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(addresses("postgres://tt@db/x"), ["db:5432"]);
        assert_eq!(addresses("postgres://tt@a:1,b:2/x"), ["a:1", "b:2"]);
        assert_eq!(addresses("postgres://tt@%2Frun%2Fpg/x"), ["/run/pg/.s.PGSQL.5432"]);
        assert_eq!(addresses("host=a,b hostaddr=10.0.0.1,10.0.0.2 port=7 user=tt"), ["10.0.0.1:7", "10.0.0.2:7"]);
        assert_eq!(addresses("user=tt"), [""; 0]);
    }

    #[tokio::test]
    async fn a_socket_has_keepalive_and_a_user_timeout() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        for (url, user_timeout, idle) in [("postgres://tt@h/x", 20, 10), ("postgres://tt@h/x?keepalives_idle=60&tcp_user_timeout=7", 7, 60)] {
            let stream = connect_tcp(address, &url.parse().expect("a URL")).await.expect("connects");
            let socket = SockRef::from(&stream);
            assert!(socket.keepalive().expect("it is set"));
            assert_eq!(socket.tcp_keepalive_time().expect("it is set"), Duration::from_secs(idle));
            assert_eq!(socket.tcp_user_timeout().expect("it is set"), Some(Duration::from_secs(user_timeout)));
        }
    }
}
