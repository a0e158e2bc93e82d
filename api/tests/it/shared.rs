//! What processes share through Redis, and how they do without.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use traitortrack::config::Secret;

use crate::support::{Warehouse, database};

/// A real Redis on a free port, empty, gone with the test.
struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let redis = Self { child, port };
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return redis;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("Redis did not start");
    }

    fn url(&self) -> Option<Secret> {
        Some(Secret::from(format!("redis://127.0.0.1:{}", self.port)))
    }

    fn stop(&mut self) {
        self.child.kill().expect("Redis can be killed");
        self.child.wait().expect("Redis can be waited for");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _already_dead = self.child.kill();
        let _already_reaped = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_limit_holds_across_processes_and_without_redis_in_each() {
    let mut redis = Redis::start();
    let database_url = database::migrated().await;
    let settings = |config: &mut traitortrack::config::Config| {
        config.redis_url = redis.url();
        config.sign_in_limit_per_minute = 4;
    };
    let one = Warehouse::open_on(database_url.clone(), settings).await;
    let other = Warehouse::open_on(database_url, settings).await;
    let sign_in = async |warehouse: &Warehouse| warehouse.nobody().post("/auth/login", json!({"username": "x", "password": "x"})).await;
    for warehouse in [&one, &other, &one, &other] {
        sign_in(warehouse).await.problem(401, "invalid_credentials");
    }
    for warehouse in [&one, &other] {
        let limited = sign_in(warehouse).await.problem(429, "rate_limited");
        assert!(limited.header("retry-after").parse::<u64>().is_ok_and(|seconds| (1..=60).contains(&seconds)));
    }
    assert_eq!(one.nobody().get_root("/api/health/detailed").await.expect(200).body["checks"]["redis"]["status"], "healthy");

    redis.stop();
    let health = one.nobody().get_root("/api/health/detailed").await.expect(200).body;
    assert_eq!((health["status"].as_str(), health["checks"]["redis"]["status"].as_str()), (Some("degraded"), Some("degraded")));
    sign_in(&one).await.problem(401, "invalid_credentials");
    sign_in(&one).await.problem(429, "rate_limited");
}
