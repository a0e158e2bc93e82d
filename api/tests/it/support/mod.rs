//! The harness: one PostgreSQL for the run, a database of its own for every test, people who act over HTTP.

pub mod cluster;
pub mod database;
pub mod mail;
pub mod person;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod replication;
pub mod small_disk;
pub mod warehouse;

pub use person::{Answer, Person};
pub use redis::Redis;
pub use warehouse::Warehouse;

/// Bound of every wait in the tests. It ends a test that hangs; no machine is slow enough to reach it.
pub const WAIT_LIMIT: std::time::Duration = std::time::Duration::from_secs(300);

/// Polls a condition until it holds, so that no test depends on how fast the machine is.
///
/// # Panics
/// When it does not hold within [`WAIT_LIMIT`].
#[track_caller]
pub fn eventually(what: &str, condition: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let polled = tokio::time::timeout(WAIT_LIMIT, poll_until(condition)).await;
        assert!(polled.is_ok(), "{caller}: did not happen within {WAIT_LIMIT:?}: {what}");
    }
}

async fn poll_until(mut condition: impl AsyncFnMut() -> bool) {
    while !condition().await {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A port of this machine that nobody listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}
