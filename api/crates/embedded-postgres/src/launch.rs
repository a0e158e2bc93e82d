//! Starts the server process.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::account::{self, Account};
use super::process::ServerProcess;
use super::supervisor::free_space;
use super::{EmbeddedError, EmbeddedOptions, leftovers};

/// Recovery after a crash of a large database takes its time.
const START_TIMEOUT: Duration = Duration::from_secs(300);
/// A server that did not become ready has this long to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// A larger log is rotated at the next start, in bytes.
const MAX_LOG_BYTES: u64 = 10 * 1024 * 1024;

/// The status in the eighth line of `postmaster.pid`, which `pg_ctl` reads too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PidFileStatus {
    Ready,
    Stopping,
    /// Starting, or there is no file.
    Other,
}

/// How to start the server.
#[derive(Debug)]
pub(super) struct Launch {
    pub bin: PathBuf,
    pub account: Option<Account>,
    pub options: EmbeddedOptions,
    pub postgres_folder: PathBuf,
    pub socket_folder: PathBuf,
    pub log: PathBuf,
}

impl Launch {
    /// Removes what an earlier server left, starts one and waits until it accepts connections or
    /// `is_to_stop`. Blocks.
    pub fn start(&self, on_end: impl FnOnce() + Send + 'static, is_to_stop: impl Fn() -> bool) -> Result<ServerProcess, EmbeddedError> {
        leftovers::clear(&self.postgres_folder, &self.socket_folder)?;
        let mut command = account::command(self.account.as_ref(), &self.bin.join("postgres"));
        command.arg("-D").arg(&self.postgres_folder).arg("-k").arg(&self.socket_folder);
        for (name, value) in settings(&self.options) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // A group of its own: Ctrl-C in a terminal must reach the application alone, which drains
        // before it stops the server.
        command.process_group(0).stdin(Stdio::null()).stdout(open_log(&self.log)?).stderr(open_log(&self.log)?);
        let process = ServerProcess::start(command, &self.bin, on_end)?;
        self.wait_until_ready(&process, is_to_stop).inspect_err(|_| process.stop(STOP_TIMEOUT))?;
        Ok(process)
    }

    fn wait_until_ready(&self, process: &ServerProcess, is_to_stop: impl Fn() -> bool) -> Result<(), EmbeddedError> {
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT {
            if self.status() == PidFileStatus::Ready {
                return Ok(());
            }
            if is_to_stop() {
                return Err(EmbeddedError::Stopped);
            }
            if process.exit().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        Err(EmbeddedError::NotReady { log: self.log.clone(), tail: lines[lines.len().saturating_sub(10)..].join("\n") })
    }

    /// The status that the server reports.
    pub fn status(&self) -> PidFileStatus {
        let text = fs::read_to_string(self.postgres_folder.join("postmaster.pid")).unwrap_or_default();
        match text.lines().nth(7).map(str::trim) {
            Some("ready") => PidFileStatus::Ready,
            Some("stopping") => PidFileStatus::Stopping,
            _ => PidFileStatus::Other,
        }
    }

    /// Whether this many bytes are free on the file systems of the data and of the log, which may
    /// differ.
    pub fn has_space(&self, bytes: u64) -> bool {
        let folders = [self.postgres_folder.clone(), self.postgres_folder.join("pg_wal")];
        folders.iter().all(|folder| free_space(folder).is_none_or(|free| free >= bytes))
    }
}

fn open_log(log: &Path) -> Result<File, EmbeddedError> {
    let is_large = fs::metadata(log).is_ok_and(|metadata| metadata.len() > MAX_LOG_BYTES);
    if is_large {
        fs::rename(log, log.with_extension("log.old")).map_err(EmbeddedError::file(log))?;
    }
    OpenOptions::new().create(true).append(true).open(log).map_err(EmbeddedError::file(log))
}

fn settings(options: &EmbeddedOptions) -> Vec<(String, String)> {
    let buffers_mb = (total_memory_mb() / 8).clamp(32, 512);
    let mut settings = vec![
        ("listen_addresses", String::new()),
        ("unix_socket_permissions", "0700".into()),
        ("max_connections", "60".into()),
        ("shared_buffers", format!("{buffers_mb}MB")),
        ("effective_cache_size", format!("{}MB", buffers_mb * 4)),
        ("maintenance_work_mem", "128MB".into()),
        // Checkpoints seldom and slowly: a rush of scans must not wait for the disk to write
        // everything at once.
        ("max_wal_size", "4GB".into()),
        ("checkpoint_timeout", "15min".into()),
        ("wal_compression", "on".into()),
        // Solid-state disks read anywhere at nearly the same cost.
        ("random_page_cost", "1.1".into()),
        // Compiling costs more than these short queries take.
        ("jit", "off".into()),
        // Messages are read by this program too.
        ("lc_messages", "C".into()),
        ("log_timezone", "UTC".into()),
        ("timezone", "UTC".into()),
        // Errors of statements are the application's to tell; it logs them with the request id.
        ("log_min_messages", "fatal".into()),
        ("log_min_error_statement", "panic".into()),
    ];
    if !options.durable {
        settings.extend([("fsync", "off".into()), ("synchronous_commit", "off".into()), ("full_page_writes", "off".into())]);
    }
    let own = settings.into_iter().map(|(name, value)| (name.to_owned(), value));
    own.chain(options.extra_settings.iter().cloned()).collect()
}

fn total_memory_mb() -> u64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes =
        info.lines().find_map(|line| line.strip_prefix("MemTotal:")).and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(4_000_000) / 1024
}
