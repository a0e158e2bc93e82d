//! Limits the connections of clients. Each takes a file, and files must be left for the database,
//! for health checks and for new connections.

use std::any::Any;
use std::collections::VecDeque;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::dev::Extensions;
use rustix::process::{Resource, getrlimit};

/// Files reserved for other uses: logs, Redis, mail, imports, exports, the runtime.
const RESERVED_FILES: usize = 64;
/// Files of each worker thread.
const FILES_OF_WORKER: usize = 8;
/// Connections above the limit that are accepted, for one response each.
const OVERFLOW: usize = 32;
/// A connection above the limit takes a second file, used to close it.
const FILES_OF_OVERFLOW: usize = 2;
/// Connections that were accepted but not registered yet.
const SLACK: usize = 16;
/// Minimum limit, even with few files.
const MIN_CONNECTIONS: usize = 32;
/// Maximum limit, because connections take memory too.
const MAX_CONNECTIONS: usize = 100_000;

/// The number of connections that may stay open. A connection above it is closed after its first
/// response, or when it has sent no request and another one arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimit(usize);

impl ConnectionLimit {
    /// Derived from the limit of open files, after the files for databases and worker threads.
    pub fn of_process(database_connections: usize, workers: usize) -> Self {
        let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
        Self::of(files, database_connections, workers)
    }

    fn of(files: usize, database_connections: usize, workers: usize) -> Self {
        let others = RESERVED_FILES + FILES_OF_WORKER * workers + database_connections + FILES_OF_OVERFLOW * OVERFLOW + SLACK;
        let available = files.saturating_sub(others);
        if available < MIN_CONNECTIONS {
            tracing::warn!(files, "the limit of open files is low: raise it (LimitNOFILE, ulimit -n)");
        }
        Self(available.clamp(MIN_CONNECTIONS, MAX_CONNECTIONS))
    }

    /// Maximum number of connections of each worker thread.
    pub const fn of_worker(self, workers: usize) -> usize {
        (self.0 + OVERFLOW + SLACK).div_ceil(workers)
    }

    /// Maximum number of event streams: half of the connections, so that other requests get theirs.
    pub const fn streams(self) -> usize {
        self.0 / 2
    }
}

/// The open connections.
#[derive(Debug)]
pub struct Connections {
    limit: usize,
    open: AtomicUsize,
    /// Connections above the limit, oldest first.
    overflow: Mutex<VecDeque<Arc<Overflow>>>,
}

/// A connection above the limit.
#[derive(Debug)]
struct Overflow {
    socket: TcpStream,
    has_request: AtomicBool,
}

impl Connections {
    pub fn new(limit: ConnectionLimit) -> Arc<Self> {
        Arc::new(Self { limit: limit.0, open: AtomicUsize::new(0), overflow: Mutex::default() })
    }

    /// Registers an accepted connection. Called with its socket before the first request is read.
    pub fn register(self: &Arc<Self>, socket: &dyn Any, data: &mut Extensions) {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        metrics::gauge!("http_connections").set(open as f64);
        let socket = socket.downcast_ref::<actix_web::rt::net::TcpStream>().filter(|_| open > self.limit);
        // Without a free file for the duplicate it is treated as an ordinary connection.
        let socket = socket.and_then(|socket| socket.as_fd().try_clone_to_owned().ok()).map(TcpStream::from);
        let overflow = socket.map(|socket| Arc::new(Overflow { socket, has_request: AtomicBool::new(false) }));
        if let Some(overflow) = overflow.clone() {
            self.add_overflow(overflow);
        }
        data.insert(Connection { connections: self.clone(), overflow });
    }

    /// Adds a connection above the limit. If there are too many, closes the oldest that has sent no
    /// request.
    fn add_overflow(&self, newest: Arc<Overflow>) {
        let mut overflow = self.overflow.lock().expect("no panic while held");
        if overflow.len() >= OVERFLOW
            && let Some(oldest) = overflow.iter().position(|other| !other.has_request.load(Ordering::Relaxed))
            && let Some(oldest) = overflow.remove(oldest)
        {
            let _already_closed = oldest.socket.shutdown(Shutdown::Both);
            metrics::counter!("http_connections_evicted_total").increment(1);
        }
        overflow.push_back(newest);
    }
}

/// The registration of a connection, available to its requests. Dropped with the connection.
#[derive(Debug)]
pub struct Connection {
    connections: Arc<Connections>,
    overflow: Option<Arc<Overflow>>,
}

impl Connection {
    /// Records that a request has arrived.
    pub fn record_request(&self) {
        if let Some(overflow) = &self.overflow {
            overflow.has_request.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the connection is above the limit, so that it must be closed after the response.
    pub fn is_overflow(&self) -> bool {
        self.overflow.is_some()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let open = self.connections.open.fetch_sub(1, Ordering::Relaxed) - 1;
        metrics::gauge!("http_connections").set(open as f64);
        if let Some(own) = &self.overflow {
            self.connections.overflow.lock().expect("no panic while held").retain(|other| !Arc::ptr_eq(own, other));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_leaves_files_for_other_uses() {
        for files in [256, 1_024, 4_096, 20_000, 1_048_576] {
            let (database_connections, workers) = (20, 4);
            let limit = ConnectionLimit::of(files, database_connections, workers);
            let taken = limit.of_worker(workers) * workers;
            // Rounding may add one for each worker.
            let most = taken + OVERFLOW + database_connections + FILES_OF_WORKER * workers + RESERVED_FILES;
            assert!(most <= files + workers, "{files}: {limit:?} takes {most}");
            assert!(limit.streams() * 2 <= taken);
        }
        assert_eq!(ConnectionLimit::of(16, 20, 4), ConnectionLimit(MIN_CONNECTIONS));
        assert_eq!(ConnectionLimit::of(usize::MAX, 20, 4), ConnectionLimit(MAX_CONNECTIONS));
    }
}
