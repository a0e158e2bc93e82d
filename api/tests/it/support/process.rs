//! The real binary as a process of its own, to be killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::warehouse::{A_DAY_SECONDS, ADMIN_PASSWORD};
use super::{Person, WAIT_LIMIT, eventually};

/// A running `api serve`.
pub struct ServerProcess {
    child: Child,
    log: PathBuf,
    pub base_url: String,
}

impl ServerProcess {
    /// Starts it on a free port and waits until it is ready. `data_dir` makes it run its own PostgreSQL.
    pub async fn start(data_dir: &PathBuf, database_url: Option<&str>) -> Self {
        Self::start_with(data_dir, database_url, &[]).await
    }

    /// As [`Self::start`], with the test's own settings. An empty value removes a setting of the harness.
    pub async fn start_with(data_dir: &PathBuf, database_url: Option<&str>, settings: &[(&str, &str)]) -> Self {
        Self::start_under(&[], data_dir, database_url, settings).await
    }

    /// As [`Self::start_with`], run by another program, such as `prlimit` with its arguments.
    pub async fn start_under(wrapper: &[&str], data_dir: &PathBuf, database_url: Option<&str>, settings: &[(&str, &str)]) -> Self {
        let port = super::free_port();
        let bind = format!("127.0.0.1:{port}");
        let binary = env!("CARGO_BIN_EXE_api");
        let words: Vec<&str> = wrapper.iter().copied().chain([binary, "serve"]).collect();
        let path = std::env::temp_dir().join(format!("tt-server-{port}-{}.log", uuid::Uuid::new_v4().simple()));
        let log = File::create(&path).expect("a log");
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("BIND", &bind)
            .env("DATA_DIR", data_dir)
            .env("ADMIN_PASSWORD", ADMIN_PASSWORD)
            .env("ACCESS_TOKEN_SECONDS", A_DAY_SECONDS.to_string())
            .env("REQUIRE_PASSWORD_CHANGE", "false")
            .env("SIGN_IN_LIMIT_PER_MINUTE", "10000")
            .env("SCAN_LIMIT_PER_MINUTE", "1000000")
            .env("RUST_LOG", "warn")
            .stdout(log.try_clone().expect("a log"))
            .stderr(log);
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
        let mut process = Self { child, log: path, base_url: format!("http://{bind}") };
        process.wait_until_ready().await;
        process
    }

    /// Waits until requests are to be sent here.
    pub async fn wait_until_ready(&mut self) {
        eventually("the server is ready", async || {
            assert!(self.is_running(), "the server has ended:\n{}", self.log());
            self.is_ready().await
        })
        .await;
    }

    pub async fn is_ready(&self) -> bool {
        let ready = Person::new(&self.base_url).client.get(format!("{}/health/ready", self.base_url)).timeout(Duration::from_secs(5)).send().await;
        ready.is_ok_and(|response| response.status().is_success())
    }

    pub fn nobody(&self) -> Person {
        Person::new(&self.base_url)
    }

    /// Its output so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: nothing of the process gets a chance to tidy up.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process can be waited for");
    }

    /// SIGTERM: a graceful stop.
    pub fn request_stop(&self) {
        send_signal(self.child.id(), Signal::TERM);
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Option<ExitStatus> {
        eventually("the server ends", async || !self.is_running()).await;
        self.child.try_wait().expect("it is a child")
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminate(&mut self) {
        self.request_stop();
        self.ended().await;
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is a child").is_none()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _already_dead = self.child.kill();
        let _already_reaped = self.child.wait();
        if std::thread::panicking() {
            eprintln!("log of the server:\n{}", self.log());
        }
        let _gone = std::fs::remove_file(&self.log);
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

/// Sends a signal to a process that is there.
pub fn send_signal(process: u32, signal: Signal) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("it can be sent a signal");
}

/// The postmaster of the PostgreSQL that runs in a data folder.
pub fn postmaster(data_dir: &Path) -> Option<u32> {
    let pid_file = std::fs::read_to_string(data_dir.join("postgres/postmaster.pid")).ok()?;
    let pid = pid_file.lines().next()?.trim().parse().ok()?;
    postgres_processes(data_dir).contains(&pid).then_some(pid)
}

/// Whether every thread of a process has taken a SIGSTOP.
pub fn is_stopped(pid: u32) -> bool {
    let mut threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten();
    threads.all(|thread| {
        let state = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // After the name, which stands in brackets and may hold anything.
        state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

/// All processes of PostgreSQL that work in a data folder.
pub fn postgres_processes(data_dir: &Path) -> Vec<u32> {
    let folder = std::fs::canonicalize(data_dir.join("postgres")).unwrap_or_default();
    let processes = std::fs::read_dir("/proc").expect("it is mounted").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| std::fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|works_in| works_in == folder)).collect()
}
