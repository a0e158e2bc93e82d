//! What an earlier start left behind: a server that is still stopping, or files of one that is gone.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::EmbeddedError;

/// A server whose parent was killed has this long to write its last checkpoint.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// After this long it is told once more.
const REMIND_AFTER: Duration = Duration::from_secs(3);

/// Waits for a server that still runs on this folder, then removes what would keep a new one from starting.
///
/// The caller holds the lock of the data folder, so whoever started that server is dead.
pub(super) fn clear(postgres_folder: &Path, socket_folder: &Path) -> Result<(), EmbeddedError> {
    let pid_file = postgres_folder.join("postmaster.pid");
    let started = Instant::now();
    let mut is_reminded = false;
    while let Some(pid) = running_on(postgres_folder, &pid_file) {
        if started.elapsed() > STOP_TIMEOUT {
            return Err(EmbeddedError::StillRunning(pid));
        }
        if !is_reminded && started.elapsed() > REMIND_AFTER {
            is_reminded = true;
            if let Some(pid) = Pid::from_raw(pid) {
                let _already_gone = kill_process(pid, Signal::INT);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // PostgreSQL refuses to start when the process id in these files is in use, also by a stranger's process.
    for stale in [pid_file, socket_folder.join(".s.PGSQL.5432"), socket_folder.join(".s.PGSQL.5432.lock")] {
        match fs::remove_file(&stale) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(EmbeddedError::file(stale)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// The process in the pid file, when it really is a PostgreSQL working in this folder.
fn running_on(postgres_folder: &Path, pid_file: &Path) -> Option<i32> {
    let pid: i32 = fs::read_to_string(pid_file).ok()?.lines().next()?.trim().parse().ok()?;
    let works_in = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    (works_in == fs::canonicalize(postgres_folder).ok()?).then_some(pid)
}
