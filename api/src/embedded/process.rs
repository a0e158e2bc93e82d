//! The server as a child process.

use std::path::Path;
use std::process::{Child, Command, ExitStatus};
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
    /// Starts the command on a thread of its own.
    pub(super) fn start(mut command: Command, program: &Path) -> Result<Self, EmbeddedError> {
        let (started_sender, started) = mpsc::channel();
        let (ended_sender, ended) = mpsc::channel();
        std::thread::Builder::new()
            .name("postgres".into())
            .spawn(move || match command.spawn() {
                Ok(mut child) => {
                    let _ = started_sender.send(Ok(child.id()));
                    let _ = ended_sender.send(wait(&mut child));
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

    /// Has the child ended?
    pub(super) fn has_ended(&self) -> bool {
        !matches!(self.ended.try_recv(), Err(mpsc::TryRecvError::Empty))
    }

    /// Asks for a fast shutdown (SIGINT: sessions are ended, a checkpoint is written) and waits; after `patience`
    /// for an immediate one (SIGQUIT: recovery at the next start).
    pub(super) fn stop(&self, patience: Duration) {
        let _already_gone = kill_process(self.pid, Signal::INT);
        if matches!(self.ended.recv_timeout(patience), Err(mpsc::RecvTimeoutError::Timeout)) {
            tracing::warn!("PostgreSQL is slow to stop; it is made to");
            let _already_gone = kill_process(self.pid, Signal::QUIT);
            let _ = self.ended.recv_timeout(patience);
        }
    }
}

fn wait(child: &mut Child) -> std::io::Result<ExitStatus> {
    child.wait()
}
