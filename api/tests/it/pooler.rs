//! A connection pooler between application and database: one that works, and one that would break it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use traitortrack::config::{Config, Secret};
use traitortrack::server::Application;

use crate::support::{Warehouse, database, eventually, free_port};

/// PgBouncer in front of the run's database server.
struct Pooler {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Pooler {
    async fn start(database_url: &str, mode: &str) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().expect("a folder");
        // PgBouncer does not run as root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("others may look into it");
        let file = folder.path().join("pgbouncer.ini");
        let socket = database::text(database_url, "SELECT split_part(current_setting('unix_socket_directories'), ',', 1) AS value").await;
        let settings = format!(
            "[databases]\n* = host={socket} user=traitortrack\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = {mode}\nignore_startup_parameters = extra_float_digits\n"
        );
        fs::write(&file, settings).expect("a file can be written");
        let user: &[&str] = if rustix::process::geteuid().is_root() { &["--reuid=postgres", "--regid=postgres", "--clear-groups"] } else { &[] };
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(user)
            .args(["--", "/usr/sbin/pgbouncer"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer is installed");
        eventually("PgBouncer listens", async || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        Self { child, port, _folder: folder }
    }

    /// Through it to the database of another address.
    fn url(&self, database_url: &str) -> String {
        let name = database_url.split('?').next().and_then(|path| path.rsplit('/').next()).expect("a name");
        format!("postgres://traitortrack@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _already_dead = self.child.kill();
        let _already_reaped = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_session_mode_is_as_good_as_none() {
    let database_url = database::migrated().await;
    let pooler = Pooler::start(&database_url, "session").await;
    let warehouse = Warehouse::open_on(pooler.url(&database_url), |_| ()).await;
    let asha = warehouse.packer("Lucknow").await;
    asha.scans("SB00001").await.expect(201);
    for n in 0..5 {
        asha.scans_into("SB00001", &format!("PL-{n}")).await.expect(201);
    }
    assert_eq!(asha.get("/bags/SB00001/children").await.expect(200).rows().len(), 5);
    warehouse.close().await;
    database::assert_counts_equal_rows(&database_url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_is_refused_with_what_to_do() {
    let database_url = database::migrated().await;
    let pooler = Pooler::start(&database_url, "transaction").await;
    let mut config = Config::defaults();
    config.bind = "127.0.0.1:0".parse().expect("an address");
    config.database.database_url = Some(Secret::from(pooler.url(&database_url)));
    let refusal = Application::build(config).await.err().expect("it does not start").to_string();
    assert!(refusal.contains("transaction mode") && refusal.contains("pool_mode=session"), "{refusal}");
}
