//! Watches a connection: whether a response is due, and how long no data has moved.

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

/// Client messages that the server completes with ReadyForQuery: Query, Sync, FunctionCall.
const REQUESTS: &[u8] = b"QSF";
/// The last message of a client; no response follows.
const TERMINATE: u8 = b'X';
const ERROR_RESPONSE: u8 = b'E';
const READY_FOR_QUERY: u8 = b'Z';
/// The status in ReadyForQuery outside a transaction.
const IDLE: &[u8] = b"I";

/// Milliseconds of a monotonic clock; never 0.
fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

/// State that all connections of a URL share.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// When a connection was silent last: all that were opened before are suspicious.
    silent_at: AtomicU64,
    /// Index of the address that accepted the last connection.
    good: AtomicUsize,
}

impl Target {
    pub fn of(url: &str) -> Arc<Self> {
        static TARGETS: LazyLock<Mutex<HashMap<u64, Arc<Target>>>> = LazyLock::new(Mutex::default);
        // The hash identifies the URL without keeping its password.
        let mut hasher = DefaultHasher::new();
        url.hash(&mut hasher);
        TARGETS.lock().expect("no panic while held").entry(hasher.finish()).or_default().clone()
    }

    /// The addresses with their indexes, starting with the one that accepted the last connection.
    pub fn last_good_first<'a, A>(&self, addresses: &'a [A]) -> impl Iterator<Item = (usize, &'a A)> {
        let first = self.good.load(Relaxed).min(addresses.len().saturating_sub(1));
        let (before, from) = addresses.split_at(first);
        (first..).zip(from).chain(before.iter().enumerate())
    }

    pub fn record_good(&self, index: usize) {
        self.good.store(index, Relaxed);
    }
}

/// State of one connection. Written by the task that drives it, read by any task.
#[derive(Debug)]
pub(super) struct Watch {
    target: Arc<Target>,
    opened_at: u64,
    /// Requests that were sent completely and whose response is not complete.
    pending: AtomicU32,
    /// A request was sent in part.
    is_sending: AtomicBool,
    /// The last read found no data.
    is_waiting: AtomicBool,
    /// When data was last received or sent.
    active_at: AtomicU64,
    /// The connection must not be reused.
    is_broken: AtomicBool,
    /// Statements may take as long as the server works on them.
    allows_long_statements: AtomicBool,
    /// That permission ends with the transaction.
    is_permission_local: AtomicBool,
    /// The server's side, known after the start of the session.
    session: OnceLock<Session>,
}

/// For how long long statements are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Session,
    /// Until the current transaction ends.
    Transaction,
}

/// A process of the server. The start time tells it from a later process with the same id.
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
            pending: AtomicU32::new(0),
            is_sending: AtomicBool::new(false),
            is_waiting: AtomicBool::new(false),
            active_at: AtomicU64::new(now()),
            is_broken: AtomicBool::new(false),
            allows_long_statements: AtomicBool::new(false),
            is_permission_local: AtomicBool::new(false),
            session: OnceLock::new(),
        }
    }

    /// How long no data has moved while a response is due; zero when none is due.
    pub fn silence(&self) -> Duration {
        let is_due = self.pending.load(Relaxed) > 0 || self.is_sending.load(Relaxed);
        if is_due && self.is_waiting.load(Relaxed) { self.idle_time() } else { Duration::ZERO }
    }

    /// How long no data has moved.
    pub fn idle_time(&self) -> Duration {
        Duration::from_millis(now().saturating_sub(self.active_at.load(Relaxed)))
    }

    pub fn record_activity(&self) {
        self.active_at.store(now(), Relaxed);
    }

    /// Whether the connection must not be reused: it is broken, or older than the last silence of
    /// one to the same target.
    pub fn must_be_replaced(&self) -> bool {
        self.is_broken.load(Relaxed) || self.opened_at <= self.target.silent_at.load(Relaxed)
    }

    /// Marks the connection, and all to the same target that are open, to be replaced.
    pub fn record_silence(&self) {
        self.is_broken.store(true, Relaxed);
        self.target.silent_at.store(now(), Relaxed);
        metrics::counter!("db_connections_silent_total").increment(1);
    }

    /// Allows statements to take as long as the server works on them.
    pub fn allow_long_statements(&self, scope: Scope) {
        self.is_permission_local.store(scope == Scope::Transaction, Relaxed);
        self.allows_long_statements.store(true, Relaxed);
    }

    pub fn allows_long_statements(&self) -> bool {
        self.allows_long_statements.load(Relaxed)
    }

    pub fn set_session(&self, session: Session) {
        let _already_set = self.session.set(session);
    }

    pub fn session(&self) -> Option<Session> {
        self.session.get().copied()
    }

    fn record_received(&self, tag: u8, body: &[u8]) {
        match tag {
            READY_FOR_QUERY => {
                self.pending.store(self.pending.load(Relaxed).saturating_sub(1), Relaxed);
                if body == IDLE && self.is_permission_local.swap(false, Relaxed) {
                    self.allows_long_statements.store(false, Relaxed);
                }
            }
            ERROR_RESPONSE => {
                let Some((code, message)) = error_fields(body) else { return };
                sqlstate::record(code, message);
                if sqlstate::ends_connection(code) {
                    self.is_broken.store(true, Relaxed);
                }
            }
            _ => {}
        }
    }
}

/// A byte stream to PostgreSQL that updates its [`Watch`].
pub(super) struct WatchedStream<S> {
    inner: S,
    watch: Arc<Watch>,
    received: Messages,
    sent: Messages,
    /// Messages of the handshake are not counted: they have another format, and the handshake has
    /// its own time limit.
    is_started: Arc<AtomicBool>,
}

impl<S> WatchedStream<S> {
    /// The caller sets `is_started` after the handshake.
    pub fn new(inner: S, watch: Arc<Watch>, is_started: Arc<AtomicBool>) -> Self {
        Self { inner, watch, received: Messages::new(b"EZ"), sent: Messages::new(b""), is_started }
    }

    fn record_sent(&mut self, bytes: &[u8]) {
        self.watch.record_activity();
        if !self.is_started.load(Relaxed) {
            return;
        }
        let watch = &self.watch;
        self.sent.feed(bytes, |tag, _| {
            let is_request = REQUESTS.contains(&tag);
            watch.pending.store(watch.pending.load(Relaxed) + u32::from(is_request), Relaxed);
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
            this.watch.record_activity();
            this.received.feed(bytes, |tag, body| this.watch.record_received(tag, body));
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write(cx, buf);
        match &polled {
            Poll::Ready(Ok(written)) => this.record_sent(&buf[..*written]),
            Poll::Ready(Err(_)) => {}
            // The other side does not accept data.
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
