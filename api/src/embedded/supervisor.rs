//! The owner of the server process: starts it again when it ends although nobody asked for that.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::EmbeddedError;
use super::launch::{Launch, PidFileStatus};
use super::process::ServerProcess;

/// So many starts that failed within the window are enough.
const MAX_FAILURES: usize = 5;
const WINDOW: Duration = Duration::from_secs(120);
/// What is waited for before each start: the cause may go away, and then the server must be back within seconds.
const BACK_OFF: [Duration; MAX_FAILURES] =
    [Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(4)];
/// While there is no room on the disk every start is in vain: the next one comes with the room, and for good measure after this.
const BACK_OFF_WITHOUT_ROOM: [Duration; MAX_FAILURES] =
    [Duration::from_millis(100), Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(30), Duration::from_secs(45)];
/// Without this much, in bytes, there is no room: the next file of the log takes 16 MiB.
const NEEDED_ROOM: u64 = 20 * 1024 * 1024;
/// How often is looked for room.
const ROOM_INTERVAL: Duration = Duration::from_millis(250);
/// How often is looked whether somebody else has told the server to stop.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// What the thread is woken for.
enum Event {
    /// The server has ended; so has one that was started before it, maybe.
    Ended,
    Stop,
}

/// The way to the supervising thread.
#[derive(Debug)]
pub(super) struct Supervisor {
    events: Sender<Event>,
    thread: Option<JoinHandle<()>>,
    given_up: Option<oneshot::Receiver<EmbeddedError>>,
}

impl Supervisor {
    /// Starts the server and supervises it from then on. Blocking, until it takes connections.
    ///
    /// # Errors
    /// When the first start fails: then nothing is supervised.
    pub fn start(launch: Launch) -> Result<Self, EmbeddedError> {
        let (events, received) = channel();
        let supervised = Supervised { launch, received, events: events.clone(), failures: VecDeque::new() };
        let process = supervised.launch.start(supervised.on_end(), || false)?;
        let (give_up, given_up) = oneshot::channel();
        let thread = std::thread::Builder::new().name("postgres-owner".into()).spawn(move || {
            if let Some(error) = supervised.run(process) {
                tracing::error!(%error, "PostgreSQL is given up");
                let _nobody_asks = give_up.send(error);
            }
        });
        let thread = thread.map_err(EmbeddedError::file("postgres-owner"))?;
        Ok(Self { events, thread: Some(thread), given_up: Some(given_up) })
    }

    /// Becomes ready when the server can't be started again; to be asked for once.
    pub fn given_up(&mut self) -> impl Future<Output = EmbeddedError> + use<> {
        let given_up = self.given_up.take();
        async move {
            match given_up {
                Some(given_up) => match given_up.await {
                    Ok(error) => error,
                    // It was stopped.
                    Err(_) => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        }
    }

    /// Stops the server, or the attempts to start it, and waits for that.
    pub fn stop(&mut self) {
        let _already_ended = self.events.send(Event::Stop);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// What the thread owns.
struct Supervised {
    launch: Launch,
    received: Receiver<Event>,
    events: Sender<Event>,
    /// When starts failed, the last ones.
    failures: VecDeque<Instant>,
}

impl Supervised {
    fn on_end(&self) -> impl FnOnce() + Send + 'static {
        let events = self.events.clone();
        move || {
            let _already_stopped = events.send(Event::Ended);
        }
    }

    /// Until the server is to stop, or can't be started again; returns why not.
    fn run(mut self, mut process: ServerProcess) -> Option<EmbeddedError> {
        loop {
            let Some(how) = self.wait_for_end(&process) else {
                process.stop(STOP_TIMEOUT);
                return None;
            };
            tracing::error!(how, "PostgreSQL has ended; it is started again");
            match self.start_again() {
                Ok(Some(started)) => process = started,
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
            metrics::counter!("restarts_total", "name" => "postgres").increment(1);
            tracing::warn!("PostgreSQL runs again");
        }
    }

    /// How the server ended; `None` when it is to stop.
    fn wait_for_end(&self, process: &ServerProcess) -> Option<String> {
        let mut is_hurried = false;
        loop {
            let event = self.received.recv_timeout(STATUS_INTERVAL);
            if matches!(event, Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected)) {
                return None;
            }
            if let Some(how) = process.ended() {
                return Some(how);
            }
            // Told to stop by somebody else it takes no new connections, and waits for ours to end: that could take for ever.
            if !is_hurried && self.launch.status() == PidFileStatus::Stopping {
                is_hurried = true;
                tracing::warn!("somebody has told PostgreSQL to stop; it ends now, and is started again");
                process.ask_to_stop();
            }
        }
    }

    /// Starts until one succeeds; `None` when it is to stop.
    fn start_again(&mut self) -> Result<Option<ServerProcess>, EmbeddedError> {
        let mut has_room = true;
        for attempt in 0.. {
            if self.is_stopped_while_waiting(attempt, has_room) {
                return Ok(None);
            }
            let is_to_stop = || matches!(self.received.try_recv(), Ok(Event::Stop));
            let error = match self.launch.start(self.on_end(), is_to_stop) {
                Ok(process) => return Ok(Some(process)),
                Err(EmbeddedError::Stopped) => return Ok(None),
                Err(error) => error,
            };
            has_room = self.launch.has_room(NEEDED_ROOM);
            self.failures.push_back(Instant::now());
            self.failures.retain(|at| at.elapsed() < WINDOW);
            tracing::error!(attempt = attempt + 1, has_room, %error, "PostgreSQL could not be started");
            if self.failures.len() >= MAX_FAILURES {
                return Err(EmbeddedError::GivenUp { starts: MAX_FAILURES, minutes: WINDOW.as_secs() / 60, last: Box::new(error) });
            }
        }
        Ok(None)
    }

    /// Waits before a start. Returns whether it is to stop instead.
    fn is_stopped_while_waiting(&self, attempt: usize, has_room: bool) -> bool {
        let back_off = if has_room { BACK_OFF } else { BACK_OFF_WITHOUT_ROOM };
        let until = Instant::now() + back_off[attempt.min(back_off.len() - 1)];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let step = if has_room { left } else { left.min(ROOM_INTERVAL) };
            match self.received.recv_timeout(step) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                // Of the server that has ended, or of a start that failed.
                Ok(Event::Ended) => {}
                Err(RecvTimeoutError::Timeout) => {
                    let has_room_now = !has_room && self.launch.has_room(NEEDED_ROOM);
                    if has_room_now || until <= Instant::now() {
                        return false;
                    }
                }
            }
        }
    }
}

/// Bytes that can be written to the disk of a folder; `None` when that can't be asked.
pub(super) fn room(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
