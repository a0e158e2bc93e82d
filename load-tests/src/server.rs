//! Runs the real binary on its own durable database.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::process;

/// User name and password of the admin of every server started here.
pub const ADMIN: (&str, &str) = ("admin", "Rules-The-House-1");
const START: Duration = Duration::from_secs(60);

/// A filled database that no server uses yet.
pub struct Data {
    folder: PathBuf,
    /// Removed at the end; `None` if the database is retained.
    _temporary: Option<tempfile::TempDir>,
}

impl Data {
    /// Creates a database with `bags` bags in a folder below `parent`. With `keep` the database
    /// remains there, and an existing one is reused.
    pub fn fill(binary: &Path, parent: &Path, bags: u64, keep: bool) -> anyhow::Result<Self> {
        fs::create_dir_all(parent)?;
        let parent = fs::canonicalize(parent)?;
        let (root, temporary) = if keep {
            (parent.join(format!("bags-{bags}")), None)
        } else {
            let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(parent)?;
            (folder.path().to_owned(), Some(folder))
        };
        let (folder, filled) = (root.join("var"), root.join("filled"));
        if !filled.exists() {
            fs::create_dir_all(&root)?;
            // PostgreSQL runs as a separate user if root runs this program.
            fs::set_permissions(&root, fs::Permissions::from_mode(0o755))?;
            let mut seed = Command::new(binary);
            seed.args(["seed-demo", "--bags", &bags.to_string()]).env("DATA_DIR", &folder).env("RUST_LOG", "warn").stdout(Stdio::null());
            let status = seed.status().with_context(|| format!("could not run {}: build it, or select another with --binary", binary.display()))?;
            ensure!(status.success(), "could not fill the database");
            fs::write(filled, "")?;
        }
        Ok(Self { folder, _temporary: temporary })
    }
}

/// A server that stops when this is dropped. Its data are removed with it, unless they are
/// retained.
pub struct Server {
    pub address: String,
    /// Folder of the database's private socket.
    pub socket: PathBuf,
    binary: PathBuf,
    process: Child,
    data: Data,
}

impl Server {
    /// Starts a server on a database, and waits until it is ready.
    pub fn start(binary: &Path, data: Data) -> anyhow::Result<Self> {
        let address = process::free_address()?;
        let process = spawn(binary, &data, &address)?;
        let mut server = Self { address, socket: data.folder.join("socket"), binary: binary.to_owned(), process, data };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Restarts the server, so that its memory contains nothing from before. Returns the time from
    /// start to ready.
    pub fn restart(&mut self) -> anyhow::Result<Duration> {
        self.stop();
        let started = Instant::now();
        self.process = spawn(&self.binary, &self.data, &self.address)?;
        self.wait_until_ready()?;
        Ok(started.elapsed())
    }

    /// Process id of the server itself; its PostgreSQL runs in other processes.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        while !is_ready(&self.address) {
            if let Some(status) = self.process.try_wait()? {
                bail!("the server exited with {status}");
            }
            ensure!(started.elapsed() < START, "the server did not start within {} s", START.as_secs());
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn stop(&mut self) {
        process::end(&mut self.process);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(binary: &Path, data: &Data, address: &str) -> anyhow::Result<Child> {
    // A load test that is killed must not leave its server behind.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(fs::canonicalize(binary)?).arg("serve");
    command.env("BIND", address).env("DATA_DIR", &data.folder).env("ADMIN_PASSWORD", ADMIN.1).env("RUST_LOG", "warn");
    // Rate limits are not measured, and one machine simulates a thousand callers.
    for limit in ["SIGN_IN_LIMIT_PER_MINUTE", "REQUEST_LIMIT_PER_MINUTE", "SCAN_LIMIT_PER_MINUTE"] {
        command.env(limit, "100000000");
    }
    command.env("ACCESS_TOKEN_SECONDS", "86400").stdout(Stdio::null());
    command.spawn().with_context(|| format!("could not run {}", binary.display()))
}

fn is_ready(address: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head.ends_with(b"200"))
    };
    ask().unwrap_or(false)
}
