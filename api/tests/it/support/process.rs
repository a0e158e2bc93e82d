//! The real binary as a process of its own, to be killed.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Person;
use super::warehouse::ADMIN_PASSWORD;

/// A running `api serve`.
pub struct ServerProcess {
    child: Child,
    pub base_url: String,
}

impl ServerProcess {
    /// Starts it on a free port and waits until it is ready. `data_dir` makes it run its own PostgreSQL.
    pub async fn start(data_dir: &PathBuf, database_url: Option<&str>) -> Self {
        Self::start_with(data_dir, database_url, &[]).await
    }

    /// As [`Self::start`], with settings of the test's own.
    pub async fn start_with(data_dir: &PathBuf, database_url: Option<&str>, settings: &[(&str, &str)]) -> Self {
        let port = super::free_port();
        let bind = format!("127.0.0.1:{port}");
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
            .env("RUST_LOG", "warn")
            .envs(settings.iter().copied())
            .stdout(Stdio::null());
        if let Some(url) = database_url {
            command.env("DATABASE_URL", url);
        }
        let child = command.spawn().expect("the binary starts");
        let process = Self { child, base_url: format!("http://{bind}") };
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

    /// SIGTERM, and waits for the end.
    pub async fn terminate(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        for _ in 0..1_200 {
            if self.child.try_wait().expect("it is a child").is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server did not stop within a minute");
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

/// Runs the binary to its end with these settings alone.
pub async fn run_api(arguments: &[&str], settings: &[(&str, &str)]) -> std::process::Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_api"));
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(settings.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(300), command.output()).await;
    output.unwrap_or_else(|_| panic!("{arguments:?} with {settings:?} does not end")).expect("the binary runs")
}

/// Standard output and error of a program that has ended.
pub fn text_of(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
