//! A real Redis, to be killed and started again.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use traitortrack::config::Secret;

/// A Redis on a free port, empty, gone with the test.
pub struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    pub fn start() -> Self {
        let port = super::free_port();
        Self { child: run(port), port }
    }

    pub fn url(&self) -> Option<Secret> {
        Some(Secret::from(format!("redis://127.0.0.1:{}", self.port)))
    }

    /// A client of it, as the server has one.
    pub fn client(&self) -> traitortrack::redis::Redis {
        traitortrack::redis::Redis::new(self.url().expect("an address").expose()).expect("a client")
    }

    pub fn stop(&mut self) {
        self.child.kill().expect("Redis can be killed");
        self.child.wait().expect("Redis can be waited for");
    }

    /// Starts it again on the same port, empty.
    pub fn start_again(&mut self) {
        self.child = run(self.port);
    }
}

fn run(port: u16) -> Child {
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed");
    for _ in 0..30_000 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return child;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _already_dead = child.kill();
    let _reaped = child.wait();
    panic!("Redis did not start");
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _already_dead = self.child.kill();
        let _already_reaped = self.child.wait();
    }
}
