//! What an earlier server left behind: one that is still stopping, its sessions, or its files.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::EmbeddedError;

/// A server whose parent was killed has this long to write its last checkpoint.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// After this long it is told once more.
const REMIND_AFTER: Duration = Duration::from_secs(3);
/// Sessions without a server have this long to end after a signal.
const SESSION_TIMEOUT: Duration = Duration::from_secs(1);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Waits for a server that still runs on this folder, then removes what would keep a new one from starting.
///
/// The caller holds the lock of the data folder, so the process that started that server is dead,
/// or is the caller.
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
            send(pid, Signal::INT);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    end_sessions(postgres_folder)?;
    // PostgreSQL refuses to start when the process id in these files is in use, also by a stranger's process.
    for stale in [pid_file, socket_folder.join(".s.PGSQL.5432"), socket_folder.join(".s.PGSQL.5432.lock")] {
        match fs::remove_file(&stale) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(EmbeddedError::file(stale)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Ends the sessions of a server that was killed. A busy session does not notice that its server is
/// dead, and while it holds the shared memory no other server starts. No committed data is lost:
/// the next server recovers it from the log.
fn end_sessions(postgres_folder: &Path) -> Result<(), EmbeddedError> {
    for signal in [Signal::QUIT, Signal::KILL] {
        let sessions = processes_on(postgres_folder);
        if sessions.is_empty() {
            return Ok(());
        }
        tracing::warn!(count = sessions.len(), "ending sessions of a PostgreSQL that was killed");
        for session in sessions {
            send(session, signal);
        }
        let started = Instant::now();
        while started.elapsed() < SESSION_TIMEOUT && !processes_on(postgres_folder).is_empty() {
            std::thread::sleep(POLL_INTERVAL);
        }
    }
    processes_on(postgres_folder).first().map_or(Ok(()), |process| Err(EmbeddedError::StillRunning(*process)))
}

fn send(process: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(process) {
        let _already_gone = kill_process(pid, signal);
    }
}

/// The process in the pid file, when it really is a PostgreSQL working in this folder.
fn running_on(postgres_folder: &Path, pid_file: &Path) -> Option<i32> {
    let pid: i32 = fs::read_to_string(pid_file).ok()?.lines().next()?.trim().parse().ok()?;
    works_in(pid, &fs::canonicalize(postgres_folder).ok()?).then_some(pid)
}

/// All PostgreSQL processes that work in this folder. The name is checked because a shell may be
/// open there.
fn processes_on(postgres_folder: &Path) -> Vec<i32> {
    let (Ok(folder), Ok(entries)) = (fs::canonicalize(postgres_folder), fs::read_dir("/proc")) else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| works_in(*id, &folder) && is_postgres(*id)).collect()
}

fn works_in(process: i32, folder: &Path) -> bool {
    fs::read_link(format!("/proc/{process}/cwd")).is_ok_and(|works_in| works_in == folder)
}

fn is_postgres(process: i32) -> bool {
    fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.trim() == "postgres")
}
