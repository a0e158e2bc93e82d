//! Supervises the server process: restarts it with back-off when it ends unexpectedly.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::EmbeddedError;
use super::launch::{Launch, PidFileStatus};
use super::process::ServerProcess;

/// After this many failed starts within the window the supervisor gives up.
const MAX_FAILED_STARTS: usize = 5;
const WINDOW: Duration = Duration::from_secs(120);
/// The delay before each start. Short, because the server must be back within seconds once the
/// cause is gone.
const BACK_OFF: [Duration; MAX_FAILED_STARTS] =
    [Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(4)];
/// The delay while the disk is full, when every start would fail. It ends early when there is
/// enough free space.
const BACK_OFF_DISK_FULL: [Duration; MAX_FAILED_STARTS] =
    [Duration::from_millis(100), Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(30), Duration::from_secs(45)];
/// Free space needed for a start, in bytes: the next segment of the log takes 16 MiB.
const NEEDED_SPACE: u64 = 20 * 1024 * 1024;
/// How often the free space is checked.
const SPACE_INTERVAL: Duration = Duration::from_millis(250);
/// How often the state of the running server is checked.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// What wakes the supervising thread.
enum Event {
    /// A server process ended: the current one, or one of an earlier start.
    Ended,
    /// The server is to be stopped.
    Stop,
}

/// Handle of the supervising thread.
#[derive(Debug)]
pub(super) struct Supervisor {
    events: Sender<Event>,
    thread: Option<JoinHandle<()>>,
    given_up: Option<oneshot::Receiver<EmbeddedError>>,
}

impl Supervisor {
    /// Starts the server and supervises it from then on. Blocks until the server accepts
    /// connections.
    ///
    /// # Errors
    /// When the first start fails; then there is no supervision.
    pub fn start(launch: Launch) -> Result<Self, EmbeddedError> {
        let (events, received) = channel();
        let supervised = Supervised { launch, received, events: events.clone(), failures: VecDeque::new() };
        let process = supervised.launch.start(supervised.on_end(), || false)?;
        let (give_up, given_up) = oneshot::channel();
        let thread = std::thread::Builder::new().name("supervisor".into()).spawn(move || {
            if let Some(error) = supervised.run(process) {
                tracing::error!(%error, "giving up on PostgreSQL");
                let _not_awaited = give_up.send(error);
            }
        });
        let thread = thread.map_err(EmbeddedError::file("supervisor"))?;
        Ok(Self { events, thread: Some(thread), given_up: Some(given_up) })
    }

    /// Resolves when the supervisor gives up. Only the first call gets the result.
    pub fn given_up(&mut self) -> impl Future<Output = EmbeddedError> + use<> {
        let given_up = self.given_up.take();
        async move {
            match given_up {
                Some(given_up) => match given_up.await {
                    Ok(error) => error,
                    // Stopped on request.
                    Err(_) => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        }
    }

    /// Stops the server, or the attempts to restart it, and waits for the end.
    pub fn stop(&mut self) {
        let _already_ended = self.events.send(Event::Stop);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// State of the supervising thread.
struct Supervised {
    launch: Launch,
    received: Receiver<Event>,
    events: Sender<Event>,
    /// Times of the failed starts within the window.
    failures: VecDeque<Instant>,
}

impl Supervised {
    fn on_end(&self) -> impl FnOnce() + Send + 'static {
        let events = self.events.clone();
        move || {
            let _already_stopped = events.send(Event::Ended);
        }
    }

    /// Runs until the server is to be stopped (`None`) or the supervisor gives up.
    fn run(mut self, mut process: ServerProcess) -> Option<EmbeddedError> {
        loop {
            let Some(how) = self.wait_for_end(&process) else {
                process.stop(STOP_TIMEOUT);
                return None;
            };
            tracing::error!(how, "PostgreSQL has ended unexpectedly; restarting it");
            match self.restart() {
                Ok(Some(started)) => process = started,
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
            metrics::counter!("restarts_total", "name" => "postgres").increment(1);
            tracing::warn!("PostgreSQL was restarted");
        }
    }

    /// Waits for an unexpected end of the server and returns how it ended; `None` when it is to be
    /// stopped.
    fn wait_for_end(&self, process: &ServerProcess) -> Option<String> {
        let mut is_stop_requested = false;
        loop {
            let event = self.received.recv_timeout(STATUS_INTERVAL);
            if matches!(event, Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected)) {
                return None;
            }
            if let Some(how) = process.exit() {
                return Some(how);
            }
            // A smart shutdown from outside: the server accepts no connections and waits for ours
            // to end, which they don't.
            if !is_stop_requested && self.launch.status() == PidFileStatus::Stopping {
                is_stop_requested = true;
                tracing::warn!("PostgreSQL was stopped from outside; it ends now and is restarted");
                process.request_stop();
            }
        }
    }

    /// Starts the server, in several attempts if needed; `None` when it is to be stopped.
    fn restart(&mut self) -> Result<Option<ServerProcess>, EmbeddedError> {
        let mut has_space = true;
        for attempt in 0.. {
            if self.back_off(attempt, has_space) {
                return Ok(None);
            }
            let is_to_stop = || matches!(self.received.try_recv(), Ok(Event::Stop));
            let error = match self.launch.start(self.on_end(), is_to_stop) {
                Ok(process) => return Ok(Some(process)),
                Err(EmbeddedError::Stopped) => return Ok(None),
                Err(error) => error,
            };
            has_space = self.launch.has_space(NEEDED_SPACE);
            self.failures.push_back(Instant::now());
            self.failures.retain(|at| at.elapsed() < WINDOW);
            tracing::error!(attempt = attempt + 1, has_space, %error, "PostgreSQL could not be started");
            if self.failures.len() >= MAX_FAILED_STARTS {
                return Err(EmbeddedError::RestartFailed { starts: MAX_FAILED_STARTS, minutes: WINDOW.as_secs() / 60, last: Box::new(error) });
            }
        }
        Ok(None)
    }

    /// Waits before a start. Returns whether the server is to be stopped instead.
    fn back_off(&self, attempt: usize, has_space: bool) -> bool {
        let delays = if has_space { BACK_OFF } else { BACK_OFF_DISK_FULL };
        let until = Instant::now() + delays[attempt.min(delays.len() - 1)];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let step = if has_space { left } else { left.min(SPACE_INTERVAL) };
            match self.received.recv_timeout(step) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                // Of the process that ended, or of a failed start.
                Ok(Event::Ended) => {}
                Err(RecvTimeoutError::Timeout) => {
                    let has_space_now = !has_space && self.launch.has_space(NEEDED_SPACE);
                    if has_space_now || until <= Instant::now() {
                        return false;
                    }
                }
            }
        }
    }
}

/// Free space of the file system of a folder in bytes; `None` when it is unknown.
pub(super) fn free_space(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
