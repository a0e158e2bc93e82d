//! Watching a connection: whether an answer is due, and for how long nothing has come.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Integer, Timestamptz};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::messages::{Messages, error_fields};
use crate::db::sqlstate;

/// Messages of the client after which the server answers until it is ready for the next.
const REQUESTS: &[u8] = b"QSF";
/// The client says goodbye: no answer will come.
const TERMINATE: u8 = b'X';
const ERROR_RESPONSE: u8 = b'E';
const READY_FOR_QUERY: u8 = b'Z';
/// The status of a server that is ready outside any transaction.
const IDLE: &[u8] = b"I";

/// Milliseconds of a clock that only goes forward; never 0.
fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

/// What all connections of a URL have in common.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// Connections opened before this may be silent: one of them was.
    suspected_at: AtomicU64,
    /// Which of its addresses took the last connection.
    good: AtomicUsize,
}

impl Target {
    pub fn of(url: &str) -> Arc<Self> {
        static TARGETS: LazyLock<Mutex<HashMap<u64, Arc<Target>>>> = LazyLock::new(Mutex::default);
        // The URL holds a password: its hash is enough to tell it from others.
        let mut hasher = DefaultHasher::new();
        url.hash(&mut hasher);
        TARGETS.lock().expect("no panic while held").entry(hasher.finish()).or_default().clone()
    }

    /// The addresses with their indexes, from the one that took the last connection on.
    pub fn last_good_first<'a, A>(&self, addresses: &'a [A]) -> impl Iterator<Item = (usize, &'a A)> {
        let first = self.good.load(Relaxed).min(addresses.len().saturating_sub(1));
        let (before, from) = addresses.split_at(first);
        (first..).zip(from).chain(before.iter().enumerate())
    }

    pub fn note_good(&self, index: usize) {
        self.good.store(index, Relaxed);
    }
}

/// What is known of one connection. Written by the task that drives it, read by everyone.
#[derive(Debug)]
pub(super) struct Watch {
    target: Arc<Target>,
    opened_at: u64,
    /// Requests that were sent whole, and that the server has not finished answering.
    unanswered: AtomicU32,
    /// A request is being sent.
    is_sending: AtomicBool,
    /// The server is asked for bytes, and there are none.
    is_waiting: AtomicBool,
    /// When bytes came or went last.
    moved_at: AtomicU64,
    /// It must not be used for anything new.
    is_unfit: AtomicBool,
    /// Statements may take as long as the server works on them.
    is_patient: AtomicBool,
    /// That ends with the transaction.
    is_patient_until_idle: AtomicBool,
    /// The other end, once it has said who it is.
    session: OnceLock<Session>,
}

/// A process of the server: its number alone may be given to another one later.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(super) struct Session {
    #[diesel(sql_type = Integer)]
    pub process: i32,
    #[diesel(sql_type = Timestamptz)]
    pub started_at: DateTime<Utc>,
}

impl Watch {
    pub fn new(target: Arc<Target>) -> Self {
        Self {
            target,
            opened_at: now(),
            unanswered: AtomicU32::new(0),
            is_sending: AtomicBool::new(false),
            is_waiting: AtomicBool::new(false),
            moved_at: AtomicU64::new(now()),
            is_unfit: AtomicBool::new(false),
            is_patient: AtomicBool::new(false),
            is_patient_until_idle: AtomicBool::new(false),
            session: OnceLock::new(),
        }
    }

    /// For how long an answer is due and nothing has come; zero when none is due.
    pub fn silence(&self) -> Duration {
        let is_due = self.unanswered.load(Relaxed) > 0 || self.is_sending.load(Relaxed);
        if is_due && self.is_waiting.load(Relaxed) { self.rest() } else { Duration::ZERO }
    }

    /// Since when nothing has come or gone.
    pub fn rest(&self) -> Duration {
        Duration::from_millis(now().saturating_sub(self.moved_at.load(Relaxed)))
    }

    pub fn note_movement(&self) {
        self.moved_at.store(now(), Relaxed);
    }

    /// Must another connection be used? It was found unfit, or is older than the silence of another.
    pub fn is_unfit(&self) -> bool {
        self.is_unfit.load(Relaxed) || self.opened_at <= self.target.suspected_at.load(Relaxed)
    }

    /// It is silent: it and those that are as old are not used for anything new.
    pub fn note_silence(&self) {
        self.is_unfit.store(true, Relaxed);
        self.target.suspected_at.store(now(), Relaxed);
        metrics::counter!("db_connections_silent_total").increment(1);
    }

    /// Statements may take as long as the server works on them.
    pub fn be_patient(&self, only_in_transaction: bool) {
        self.is_patient_until_idle.store(only_in_transaction, Relaxed);
        self.is_patient.store(true, Relaxed);
    }

    pub fn is_patient(&self) -> bool {
        self.is_patient.load(Relaxed)
    }

    pub fn note_session(&self, session: Session) {
        // It is said once.
        let _known = self.session.set(session);
    }

    pub fn session(&self) -> Option<Session> {
        self.session.get().copied()
    }

    fn note_received(&self, tag: u8, body: &[u8]) {
        match tag {
            READY_FOR_QUERY => {
                self.unanswered.store(self.unanswered.load(Relaxed).saturating_sub(1), Relaxed);
                if body == IDLE && self.is_patient_until_idle.swap(false, Relaxed) {
                    self.is_patient.store(false, Relaxed);
                }
            }
            ERROR_RESPONSE => {
                let Some((code, message)) = error_fields(body) else { return };
                sqlstate::note(code, message);
                if sqlstate::is_end_of_connection(code) {
                    self.is_unfit.store(true, Relaxed);
                }
            }
            _ => {}
        }
    }
}

/// A stream of bytes to and from PostgreSQL that keeps its [`Watch`].
pub(super) struct WatchedStream<S> {
    inner: S,
    watch: Arc<Watch>,
    received: Messages,
    sent: Messages,
    /// The first messages are of another form, and have a deadline of their own.
    is_started: Arc<AtomicBool>,
}

impl<S> WatchedStream<S> {
    /// The flag is to be set once the connection is made.
    pub fn new(inner: S, watch: Arc<Watch>, is_started: Arc<AtomicBool>) -> Self {
        Self { inner, watch, received: Messages::new(b"EZ"), sent: Messages::new(b""), is_started }
    }

    fn note_sent(&mut self, bytes: &[u8]) {
        self.watch.note_movement();
        if !self.is_started.load(Relaxed) {
            return;
        }
        let watch = &self.watch;
        self.sent.feed(bytes, |tag, _| {
            let is_request = REQUESTS.contains(&tag);
            watch.unanswered.store(watch.unanswered.load(Relaxed) + u32::from(is_request), Relaxed);
            watch.is_sending.store(!is_request && tag != TERMINATE, Relaxed);
        });
        if !self.sent.is_at_boundary() {
            self.watch.is_sending.store(true, Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        this.watch.is_waiting.store(polled.is_pending(), Relaxed);
        let bytes = &buf.filled()[before..];
        if !bytes.is_empty() {
            this.watch.note_movement();
            this.received.feed(bytes, |tag, body| this.watch.note_received(tag, body));
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write(cx, buf);
        match &polled {
            Poll::Ready(Ok(written)) => this.note_sent(&buf[..*written]),
            Poll::Ready(Err(_)) => {}
            // Nobody takes the bytes.
            Poll::Pending => this.watch.is_sending.store(true, Relaxed),
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
