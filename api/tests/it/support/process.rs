//! The real binary as a process of its own, to be killed.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::Person;
use super::warehouse::ADMIN_PASSWORD;

/// A running `api serve`.
pub struct ServerProcess {
    child: Child,
    output: NamedTempFile,
    pub base_url: String,
}

impl ServerProcess {
    /// Starts it on a free port and waits until it is ready. `data_dir` makes it run its own PostgreSQL.
    pub async fn start(data_dir: &PathBuf, database_url: Option<&str>) -> Self {
        Self::start_with(data_dir, database_url, &[]).await
    }

    /// As [`Self::start`], with settings of the test's own. One without a value takes the harness's
    /// away.
    pub async fn start_with(data_dir: &PathBuf, database_url: Option<&str>, settings: &[(&str, &str)]) -> Self {
        let port = super::free_port();
        let bind = format!("127.0.0.1:{port}");
        let output = NamedTempFile::new().expect("a file for the output");
        let mut command = Command::new(env!("CARGO_BIN_EXE_api"));
        command
            .arg("serve")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("BIND", &bind)
            .env("DATA_DIR", data_dir)
            .env("ADMIN_PASSWORD", ADMIN_PASSWORD)
            .env("SIGN_IN_LIMIT_PER_MINUTE", "10000")
            .env("SCAN_LIMIT_PER_MINUTE", "1000000")
            .env("REQUIRE_PASSWORD_CHANGE", "false")
            .env("RUST_LOG", "warn")
            .stdout(output.reopen().expect("the file can be opened again"));
        for (name, value) in settings {
            match *value {
                "" => command.env_remove(name),
                value => command.env(name, value),
            };
        }
        if let Some(url) = database_url {
            command.env("DATABASE_URL", url);
        }
        let child = command.spawn().expect("the binary starts");
        let process = Self { child, output, base_url: format!("http://{bind}") };
        process.wait_until_ready().await;
        process
    }

    async fn wait_until_ready(&self) {
        let probe = Person::new(&self.base_url);
        for _ in 0..600 {
            let ready = probe.client.get(format!("{}/health/ready", self.base_url)).send().await;
            if ready.is_ok_and(|response| response.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server did not get ready within 30 seconds");
    }

    pub fn nobody(&self) -> Person {
        Person::new(&self.base_url)
    }

    /// What it has printed: the log, and what is for the person who started it.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.output.path()).expect("the output can be read")
    }

    /// SIGKILL: nothing of the process gets a chance to tidy up.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process can be waited for");
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _already_dead = self.child.kill();
        let _already_reaped = self.child.wait();
    }
}
