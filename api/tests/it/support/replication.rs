//! A PostgreSQL with streaming replicas on this machine, to be paused, killed and started again.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use embedded_postgres::{EmbeddedOptions, EmbeddedPostgres};
use traitortrack::config::{Config, Secret};
use traitortrack::db::{migrations, pool};
use traitortrack::users::first_admin;

use super::warehouse::ADMIN_PASSWORD;
use super::{database, eventually};

const DATABASE: &str = "traitortrack";

/// A primary with the schema and the first admin, and its replicas.
pub struct Replication {
    folder: PathBuf,
    primary: EmbeddedPostgres,
    replicas: Vec<Replica>,
}

struct Replica {
    data_dir: PathBuf,
    url: String,
    /// `None` while it is down.
    server: Option<EmbeddedPostgres>,
}

impl Replication {
    pub async fn start(replicas: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("tt-replicas-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).expect("PostgreSQL's user may enter");
        let primary = start(&folder.join("primary"));
        let url = primary.url(DATABASE);
        migrations::run_pending(&url).await.expect("migrations run");
        let mut config = Config::defaults();
        config.admin_password = Some(Secret::from(ADMIN_PASSWORD));
        let mut conn = pool::connect(url.clone(), 30).await.expect("the primary takes connections");
        first_admin::ensure(&mut conn, &config).await.expect("the admin is made");
        let bin = bin_folder(&url).await;
        let replicas = (1..=replicas).map(|n| Replica::copied_from(&primary, &bin, folder.join(format!("replica-{n}")))).collect();
        Self { folder, primary, replicas }
    }

    pub fn database_url(&self) -> String {
        self.primary.url(DATABASE)
    }

    pub fn replica_urls(&self) -> Vec<Secret> {
        self.replicas.iter().map(|replica| Secret::from(replica.url.clone())).collect()
    }

    /// The name in metrics: here the folder of its socket.
    pub fn name(&self, index: usize) -> String {
        self.replicas[index].server.as_ref().expect("it runs").socket_folder().display().to_string()
    }

    /// From now on the replica receives but does not replay.
    pub async fn pause(&self, index: usize) {
        let url = &self.replicas[index].url;
        database::execute(url, "SELECT pg_wal_replay_pause()").await;
        let paused = "SELECT (pg_get_wal_replay_pause_state() = 'paused')::int::bigint AS n";
        eventually("replay pauses", async || database::number(url, paused).await == 1).await;
    }

    pub async fn resume(&self, index: usize) {
        database::execute(&self.replicas[index].url, "SELECT pg_wal_replay_resume()").await;
    }

    /// A query's number, asked of the replica itself.
    pub async fn number_on(&self, index: usize, sql: &str) -> i64 {
        database::number(&self.replicas[index].url, sql).await
    }

    /// SIGKILL to its first process; the others follow.
    pub fn kill(&mut self, index: usize) {
        let replica = &mut self.replicas[index];
        let pid_file = std::fs::read_to_string(replica.data_dir.join("postgres/postmaster.pid")).expect("it runs");
        let pid = pid_file.lines().next().and_then(|pid| pid.parse().ok()).and_then(rustix::process::Pid::from_raw).expect("a process id");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it can be killed");
        replica.server = None;
    }

    pub async fn start_again(&mut self, index: usize) {
        let replica = &mut self.replicas[index];
        let options = options(&replica.data_dir);
        eventually("the replica starts again", async || {
            // Processes of the killed server may still be ending.
            replica.server = EmbeddedPostgres::start(&options).ok();
            replica.server.is_some()
        })
        .await;
    }
}

impl Drop for Replication {
    fn drop(&mut self) {
        self.replicas.clear();
        self.primary.stop();
        let _left_behind = std::fs::remove_dir_all(&self.folder);
    }
}

impl Replica {
    fn copied_from(primary: &EmbeddedPostgres, bin: &Path, data_dir: PathBuf) -> Self {
        std::fs::create_dir(&data_dir).expect("a folder");
        let mut copy = match rustix::process::geteuid().is_root() {
            true => {
                std::fs::set_permissions(&data_dir, std::fs::Permissions::from_mode(0o777)).expect("PostgreSQL's user may write");
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(bin.join("pg_basebackup"));
                command
            }
            false => Command::new(bin.join("pg_basebackup")),
        };
        copy.current_dir("/").arg("-h").arg(primary.socket_folder()).args(["-U", DATABASE, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"]);
        let output = copy.arg("-D").arg(data_dir.join("postgres")).output().expect("pg_basebackup runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let server = start(&data_dir);
        Self { url: server.url(DATABASE), data_dir, server: Some(server) }
    }
}

fn options(data_dir: &Path) -> EmbeddedOptions {
    let settings = [
        ("max_connections", "100"),
        ("shared_buffers", "32MB"),
        ("synchronous_commit", "on"),
        ("wal_keep_size", "256MB"),
        ("hot_standby_feedback", "on"),
        ("wal_retrieve_retry_interval", "200ms"),
    ];
    let extra_settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    EmbeddedOptions { data_dir: data_dir.to_owned(), durable: false, extra_settings }
}

fn start(data_dir: &Path) -> EmbeddedPostgres {
    EmbeddedPostgres::start(&options(data_dir)).expect("the server starts")
}

/// Where the programs of the running server are.
async fn bin_folder(url: &str) -> PathBuf {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        setting: String,
    }
    let mut conn = AsyncPgConnection::establish(url).await.expect("connects");
    let row: Row = diesel::sql_query("SELECT setting FROM pg_config WHERE name = 'BINDIR'").get_result(&mut conn).await.expect("the query runs");
    row.setting.into()
}
