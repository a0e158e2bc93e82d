//! A private PostgreSQL for installations that configure none: the system's own server binaries, run as a child
//! process on a private socket.
//!
//! Owns the folder `postgres` in the data folder. Knows nothing of what is stored there.

mod account;
mod binaries;
mod closed;
mod cluster;
mod launch;
mod leftovers;
mod process;
mod supervisor;

use std::path::PathBuf;

pub use cluster::EmbeddedPostgres;

/// The folders in the data folder that are the server's: the cluster, one that is being made, the
/// socket.
const FOLDERS: [&str; 3] = ["postgres", "postgres.unfinished", "socket"];

/// Where and how the private server runs.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// Folder of everything kept; made when missing.
    pub data_dir: PathBuf,
    /// `false` switches off everything that makes a commit survive a crash of the machine: for tests alone.
    pub durable: bool,
    /// Further settings of the server, name and value.
    pub extra_settings: Vec<(String, String)>,
}

/// The folder of PostgreSQL's own programs of the version that the private server has; `None` where
/// no server is installed.
pub fn tools_folder() -> Option<PathBuf> {
    binaries::folder().ok()
}

/// Why the private server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The server is not installed.
    #[error(
        "PostgreSQL's server (15 or newer) is not installed. Install it with `apt-get install postgresql`, or set DATABASE_URL to a server of yours."
    )]
    NoBinaries,
    /// Started by root, but there is nobody to run the server as.
    #[error("PostgreSQL does not run as root, and there is no user `postgres` to run it as. Start as an ordinary user, or create that user.")]
    NoAccount,
    /// PostgreSQL's user can't get to the data folder, and no way can be made for it.
    #[error(
        "PostgreSQL does not run as root, and its user `postgres` can't reach {data_dir}. Set DATA_DIR to a folder that it can reach, \
         as DATA_DIR=/var/lib/traitortrack, or let it through: {fix}"
    )]
    Closed { data_dir: PathBuf, fix: String },
    /// An earlier version put the database outside the data folder.
    #[error(
        "The database of {data_dir} is in {former}, where an earlier version has put it. Move it: \
         mv \"{former}/postgres\" \"{data_dir}/postgres\". To begin with an empty one instead, delete {former}."
    )]
    Elsewhere { data_dir: PathBuf, former: PathBuf },
    /// Another process uses the data folder.
    #[error("{0} is in use by another TraitorTrack. Stop that one first, or set DATA_DIR to another folder.")]
    InUse(PathBuf),
    /// The data were written by another major version.
    #[error("{folder} was created by PostgreSQL {found}, but {installed} is installed. Install version {found}, or move the data with pg_upgrade.")]
    OtherVersion { folder: PathBuf, found: String, installed: String },
    /// A server of an earlier process does not end.
    #[error("A PostgreSQL of an earlier start (process {0}) does not stop. Stop it, then try again.")]
    StillRunning(i32),
    /// The server ended, or did not get ready; its last words follow.
    #[error("PostgreSQL did not start. The end of {log}:\n{tail}")]
    NotReady { log: PathBuf, tail: String },
    /// It ended unexpectedly, and restarting it failed too often.
    #[error(
        "PostgreSQL has ended and can't be restarted: {starts} starts failed within {minutes} minutes. Fix the cause below, then start \
         TraitorTrack again. No acknowledged scan is lost. The last start: {last}"
    )]
    RestartFailed { starts: usize, minutes: u64, last: Box<EmbeddedError> },
    /// It was stopped before it was ready.
    #[error("PostgreSQL was stopped while it started.")]
    Stopped,
    /// A helper program failed.
    #[error("{program} failed: {output}")]
    Program { program: String, output: String },
    /// A file or folder could not be used.
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
}

impl EmbeddedError {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
