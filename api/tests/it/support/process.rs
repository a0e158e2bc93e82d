//! The real binary as a process of its own, to be killed.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::NamedTempFile;

use super::warehouse::{A_DAY_SECONDS, ADMIN_PASSWORD};
use super::{Person, WAIT_LIMIT, eventually};

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

    /// As [`Self::start`], with settings of the test's own. One without a value takes the harness's away.
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
            .env("ACCESS_TOKEN_SECONDS", A_DAY_SECONDS.to_string())
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
        let mut process = Self { child, output, base_url: format!("http://{bind}") };
        process.wait_until_ready().await;
        process
    }

    async fn wait_until_ready(&mut self) {
        let probe = Person::new(&self.base_url);
        let ready_url = format!("{}/health/ready", self.base_url);
        let child = &mut self.child;
        eventually("the server is ready", async || {
            assert!(child.try_wait().expect("it is a child").is_none(), "the server ended");
            let ready = probe.client.get(&ready_url).send().await;
            ready.is_ok_and(|response| response.status().is_success())
        })
        .await;
    }

    pub fn nobody(&self) -> Person {
        Person::new(&self.base_url)
    }

    /// What it has printed: the log, and what is for the person who started it.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.output.path()).expect("the output can be read")
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminate(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        let child = &mut self.child;
        eventually("the server stops", async || child.try_wait().expect("it is a child").is_some()).await;
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
    let output = tokio::time::timeout(WAIT_LIMIT, command.output()).await;
    output.unwrap_or_else(|_| panic!("{arguments:?} with {settings:?} does not end")).expect("the binary runs")
}

/// Standard output and error of a program that has ended.
pub fn text_of(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
