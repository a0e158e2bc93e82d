//! The cluster of `make cluster`, started by the same script.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::warehouse::ADMIN_PASSWORD;
use super::{Person, eventually};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/cluster");

/// Three processes behind HAProxy, a Redis, a primary and two replicas.
pub struct Cluster {
    script: Child,
    folder: PathBuf,
    /// Through HAProxy.
    pub base_url: String,
    /// Each process itself.
    pub processes: Vec<String>,
    pub database_url: String,
}

impl Cluster {
    pub async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("tt-cluster-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).expect("a folder");
        let port = super::free_port();
        let log = std::fs::File::create(folder.join("script.log")).expect("a log");
        let script = Command::new(SCRIPT)
            .arg("run")
            .arg(&folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("CLUSTER_BIND", format!("127.0.0.1:{port}"))
            .env("API_BINARY", env!("CARGO_BIN_EXE_api"))
            .env("POSTGRES_OPTIONS", "-c fsync=off")
            .env("ADMIN_PASSWORD", ADMIN_PASSWORD)
            .env("SIGN_IN_LIMIT_PER_MINUTE", "10000")
            .env("SCAN_LIMIT_PER_MINUTE", "1000000")
            .env("REQUIRE_PASSWORD_CHANGE", "false")
            // Much is going on beside: checks come late.
            .env("DRAIN_SECONDS", "5")
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the script runs");
        let mut cluster = Self { script, folder, base_url: format!("http://127.0.0.1:{port}"), processes: Vec::new(), database_url: String::new() };
        cluster.wait_until_ready().await;
        cluster
    }

    async fn wait_until_ready(&mut self) {
        let addresses = self.folder.join("addresses");
        let script = &mut self.script;
        eventually("the cluster starts or its script ends", async || addresses.exists() || script.try_wait().expect("it is a child").is_some()).await;
        let text = std::fs::read_to_string(&addresses).unwrap_or_else(|_| {
            let log = std::fs::read_to_string(self.folder.join("script.log")).unwrap_or_default();
            panic!("the cluster did not start: {log}")
        });
        for (name, value) in text.split_whitespace().filter_map(|word| word.split_once('=')) {
            match name {
                "PRIMARY" => self.database_url = value.to_owned(),
                _ => self.processes.push(format!("http://{value}")),
            }
        }
    }

    /// Restarts the processes, one after the other.
    pub async fn rolling_restart(&self) {
        let output = tokio::process::Command::new(SCRIPT)
            .arg("restart")
            .arg(&self.folder)
            .env("API_BINARY", env!("CARGO_BIN_EXE_api"))
            .output()
            .await
            .expect("the script runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The process ids of the three.
    pub fn process_ids(&self) -> Vec<String> {
        (1..=3).map(|n| std::fs::read_to_string(self.folder.join(format!("process-{n}.pid"))).expect("it runs").trim().to_owned()).collect()
    }

    pub fn nobody(&self) -> Person {
        Person::new(&self.base_url)
    }

    /// The admin, through HAProxy.
    pub async fn admin(&self) -> Person {
        self.nobody().signed_in("admin", ADMIN_PASSWORD).await
    }

    /// The same person at one of the processes.
    pub fn at(&self, process: usize, person: &Person) -> Person {
        Person { base_url: self.processes[process % self.processes.len()].clone(), ..person.clone() }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.script.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _already_gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _already_reaped = self.script.wait();
        let _left_behind = std::fs::remove_dir_all(&self.folder);
    }
}
