//! The server as a child process.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::EmbeddedError;

/// A running child, waited for by the thread that started it.
///
/// The death signal of a child follows the *thread* that started it, so that thread lives as long as the child.
#[derive(Debug)]
pub(super) struct ServerProcess {
    pid: Pid,
    ended: mpsc::Receiver<std::io::Result<ExitStatus>>,
}

impl ServerProcess {
    /// Starts the command on a thread of its own; `on_end` runs there when the child has ended.
    pub(super) fn start(mut command: Command, program: &Path, on_end: impl FnOnce() + Send + 'static) -> Result<Self, EmbeddedError> {
        let (started_sender, started) = mpsc::channel();
        let (ended_sender, ended) = mpsc::channel();
        std::thread::Builder::new()
            .name("postgres".into())
            .spawn(move || match command.spawn() {
                Ok(mut child) => {
                    let _ = started_sender.send(Ok(child.id()));
                    let _ = ended_sender.send(child.wait());
                    on_end();
                }
                Err(error) => {
                    let _ = started_sender.send(Err(error));
                }
            })
            .map_err(EmbeddedError::file(program))?;
        let id = started.recv().map_err(|gone| EmbeddedError::file(program)(std::io::Error::other(gone)))?.map_err(EmbeddedError::file("setpriv"))?;
        let pid =
            i32::try_from(id).ok().and_then(Pid::from_raw).ok_or_else(|| EmbeddedError::file(program)(std::io::Error::other("no process id")))?;
        Ok(Self { pid, ended })
    }

    /// How the child ended; `None` while it runs.
    pub(super) fn exit(&self) -> Option<String> {
        match self.ended.try_recv() {
            Err(mpsc::TryRecvError::Empty) => None,
            Ok(Ok(status)) => Some(status.to_string()),
            Ok(Err(error)) => Some(error.to_string()),
            Err(mpsc::TryRecvError::Disconnected) => Some("unknown".to_owned()),
        }
    }

    /// Requests a fast shutdown (SIGINT): sessions are ended, a checkpoint is written.
    pub(super) fn request_stop(&self) {
        let _already_gone = kill_process(self.pid, Signal::INT);
    }

    /// Requests a fast shutdown and waits; after `limit` an immediate one (SIGQUIT: recovery at the
    /// next start).
    pub(super) fn stop(&self, limit: Duration) {
        self.request_stop();
        if matches!(self.ended.recv_timeout(limit), Err(mpsc::RecvTimeoutError::Timeout)) {
            tracing::warn!("PostgreSQL is slow to stop: immediate shutdown");
            let _already_gone = kill_process(self.pid, Signal::QUIT);
            let _ = self.ended.recv_timeout(limit);
        }
    }
}
