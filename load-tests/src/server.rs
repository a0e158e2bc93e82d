//! The real binary on a durable database of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

pub const ADMIN: (&str, &str) = ("admin", "Rules-The-House-1");
const START: Duration = Duration::from_secs(60);

/// A server that ends when this is dropped; its data go with it.
pub struct Server {
    pub address: String,
    /// Folder of the database's private socket.
    pub socket: PathBuf,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Fills a new database with `bags` bags and serves it.
    pub fn start(binary: &Path, parent_folder: &Path, bags: u32) -> anyhow::Result<Self> {
        fs::create_dir_all(parent_folder)?;
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(parent_folder)?;
        // PostgreSQL runs as a user of its own when this is run by root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let data_dir = fs::canonicalize(folder.path())?.join("var");
        let mut seed = Command::new(binary);
        seed.args(["seed-demo", "--bags", &bags.to_string()]).env("DATA_DIR", &data_dir).env("RUST_LOG", "warn");
        ensure!(seed.status().with_context(|| format!("{} can't be run", binary.display()))?.success(), "the database could not be filled");

        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let process = Command::new(binary)
            .arg("serve")
            .env("BIND", &address)
            .env("DATA_DIR", &data_dir)
            .env("ADMIN_PASSWORD", ADMIN.1)
            .env("SIGN_IN_LIMIT_PER_MINUTE", "100000")
            .env("REQUEST_LIMIT_PER_MINUTE", "100000000")
            .env("SCAN_LIMIT_PER_MINUTE", "100000000")
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { address, socket: data_dir.join("socket"), process, _folder: folder };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        while std::net::TcpStream::connect(&self.address).is_err() {
            if started.elapsed() > START {
                bail!("the server did not start within {} s", START.as_secs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM, so that the server stops its PostgreSQL before the folder goes.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}
