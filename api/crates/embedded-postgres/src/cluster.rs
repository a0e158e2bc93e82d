//! The private server from its first start to its stop.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::account::{self, Account};
use super::launch::Launch;
use super::supervisor::Supervisor;
use super::{EmbeddedError, EmbeddedOptions, binaries};

/// Role and database of the application.
const NAME: &str = "traitortrack";
/// The longest folder name that leaves room for `/.s.PGSQL.5432` in a socket address (107 bytes on Linux).
const MAX_SOCKET_FOLDER_BYTES: usize = 90;
/// Where earlier versions put the database when the data folder was closed to PostgreSQL's user.
const FORMER_ROOT: &str = "/var/lib/traitortrack";

/// A PostgreSQL server that is this process's own. It stops when this is dropped, and when the
/// process dies. When it ends unexpectedly, it is restarted.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    /// `None` when the server belongs to another process, and after the stop.
    supervisor: Option<Supervisor>,
    socket_folder: PathBuf,
    /// Held as long as the server runs; absent when the server is another process's.
    _lock: Option<File>,
}

impl EmbeddedPostgres {
    /// Starts the server and waits until it takes connections. Blocking: 0.6 s at the very first start, 0.05 s later.
    ///
    /// # Errors
    /// Every [`EmbeddedError`]; each says what to do.
    pub fn start(options: &EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let bin = binaries::folder()?;
        fs::create_dir_all(&options.data_dir).map_err(EmbeddedError::file(&options.data_dir))?;
        let data_dir = fs::canonicalize(&options.data_dir).map_err(EmbeddedError::file(&options.data_dir))?;
        let account = Account::to_step_down_to(&data_dir)?;
        let account = account.as_ref();
        let lock = lock(&data_dir)?;
        let postgres_folder = data_dir.join("postgres");
        let socket_folder = socket_folder(&data_dir);
        account::private_folder(account, &socket_folder)?;

        if !postgres_folder.join("PG_VERSION").exists() {
            refuse_former(&data_dir)?;
            create_cluster(&bin, account, &data_dir, options.durable)?;
        }
        check_version(&bin, &postgres_folder)?;

        let log = data_dir.join("postgres.log");
        let supervisor = Supervisor::start(Launch {
            bin,
            account: account.cloned(),
            options: options.clone(),
            postgres_folder,
            socket_folder: socket_folder.clone(),
            log,
        })?;
        Ok(Self { supervisor: Some(supervisor), socket_folder, _lock: Some(lock) })
    }

    /// Starts the server, or joins the one that another process of this application runs on the same data: for
    /// maintenance beside a running server.
    ///
    /// # Errors
    /// As [`start`](Self::start), but never [`EmbeddedError::InUse`].
    pub fn start_or_join(options: &EmbeddedOptions) -> Result<Self, EmbeddedError> {
        match Self::start(options) {
            Err(EmbeddedError::InUse(data_dir)) => Ok(Self { supervisor: None, socket_folder: socket_folder(&data_dir), _lock: None }),
            started => started,
        }
    }

    /// The URL of a database of this server, over its private socket.
    pub fn url(&self, database: &str) -> String {
        let host: String = self
            .socket_folder
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .map(|byte| if byte.is_ascii_alphanumeric() { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
            .collect();
        format!("postgres://{NAME}@{host}/{database}")
    }

    /// The folder of the private socket, for PostgreSQL's own tools (`psql -h`).
    pub fn socket_folder(&self) -> &Path {
        &self.socket_folder
    }

    /// Resolves with the reason when the server has ended and can't be restarted: the process can't
    /// work then and should end. Only the first call gets the result.
    pub fn given_up(&mut self) -> impl Future<Output = EmbeddedError> + use<> {
        let given_up = self.supervisor.as_mut().map(Supervisor::given_up);
        async move {
            match given_up {
                Some(given_up) => given_up.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Stops the server: sessions end, a checkpoint is written. Does nothing the second time.
    pub fn stop(&mut self) {
        if let Some(mut supervisor) = self.supervisor.take() {
            supervisor.stop();
        }
    }
}

impl Drop for EmbeddedPostgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A database that is elsewhere must not look as if it were gone.
fn refuse_former(data_dir: &Path) -> Result<(), EmbeddedError> {
    let mut hasher = DefaultHasher::new();
    data_dir.hash(&mut hasher);
    let former = Path::new(FORMER_ROOT).join(format!("{:016x}", hasher.finish()));
    if former.join("postgres").exists() {
        return Err(EmbeddedError::Elsewhere { data_dir: data_dir.to_owned(), former });
    }
    Ok(())
}

fn lock(data_dir: &Path) -> Result<File, EmbeddedError> {
    let path = data_dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(EmbeddedError::file(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(EmbeddedError::InUse(data_dir.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(EmbeddedError::file(path)(error)),
    }
}

fn socket_folder(data_dir: &Path) -> PathBuf {
    let beside = data_dir.join("socket");
    if beside.as_os_str().len() <= MAX_SOCKET_FOLDER_BYTES {
        return beside;
    }
    let mut hasher = DefaultHasher::new();
    data_dir.hash(&mut hasher);
    std::env::temp_dir().join(format!("traitortrack-{:016x}", hasher.finish()))
}

/// Makes cluster and database in a folder beside, renamed when all is done: a half-made one never counts.
fn create_cluster(bin: &Path, account: Option<&Account>, data_dir: &Path, durable: bool) -> Result<(), EmbeddedError> {
    let unfinished = data_dir.join("postgres.unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(EmbeddedError::file(&unfinished))?;
    }
    account::private_folder(account, &unfinished)?;
    let mut initdb = account::command(account, &bin.join("initdb"));
    initdb.arg("-D").arg(&unfinished).args(["-U", NAME, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-instructions"]);
    if !durable {
        initdb.arg("--no-sync");
    }
    run(initdb, "initdb", "")?;
    let mut single = account::command(account, &bin.join("postgres"));
    single.args(["--single", "-D"]).arg(&unfinished).arg("postgres");
    run(single, "postgres --single", &format!("CREATE DATABASE {NAME}\n"))?;
    let finished = data_dir.join("postgres");
    fs::rename(&unfinished, &finished).map_err(EmbeddedError::file(finished))
}

fn run(mut command: Command, program: &str, input: &str) -> Result<(), EmbeddedError> {
    let failed = |output: String| EmbeddedError::Program { program: program.to_owned(), output };
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(|error| failed(error.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn check_version(bin: &Path, postgres_folder: &Path) -> Result<(), EmbeddedError> {
    let file = postgres_folder.join("PG_VERSION");
    let found = fs::read_to_string(&file).map_err(EmbeddedError::file(&file))?.trim().to_owned();
    let installed = binaries::major_version(bin)?;
    if found == installed {
        return Ok(());
    }
    Err(EmbeddedError::OtherVersion { folder: postgres_folder.to_owned(), found, installed })
}
