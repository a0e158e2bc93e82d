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

/// Waits for a condition, for two minutes at most.
pub async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..1_200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("within two minutes: {what}");
}

/// A port of this machine that nobody listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}
