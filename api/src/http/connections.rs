//! How many connections of clients are taken: each takes a file, and files have to be left for the database, for health and for
//! whoever comes next.

use std::any::Any;
use std::collections::VecDeque;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::dev::Extensions;
use rustix::process::{Resource, getrlimit};

/// Files for what is neither a client nor the database: logs, Redis, mail, files of imports and exports, the runtime.
const RESERVED_FILES: usize = 64;
/// Files of a thread that serves: its queues and timers.
const FILES_OF_WORKER: usize = 8;
/// Connections beyond the bound that are still taken, for one answer each.
const OVERFLOW: usize = 32;
/// A connection beyond the bound takes a second file, by which it can be closed.
const FILES_OF_OVERFLOW: usize = 2;
/// Connections that have been taken and not yet been looked at.
const SLACK: usize = 16;
/// However few files there are, so many connections are kept.
const FEWEST: usize = 32;
/// And however many there are, no more: each takes memory too.
const MOST: usize = 100_000;

/// How many connections are kept as long as their clients like. Beyond them, a connection is closed after its first answer, or when
/// it has asked nothing and another one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimit(usize);

impl ConnectionLimit {
    /// What the limit of open files leaves after the connections to databases and the threads that serve.
    pub fn of_process(database_connections: usize, workers: usize) -> Self {
        let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
        Self::of(files, database_connections, workers)
    }

    fn of(files: usize, database_connections: usize, workers: usize) -> Self {
        let others = RESERVED_FILES + FILES_OF_WORKER * workers + database_connections + FILES_OF_OVERFLOW * OVERFLOW + SLACK;
        let kept = files.saturating_sub(others);
        if kept < FEWEST {
            tracing::warn!(files, "few files can be open at once: raise the limit (LimitNOFILE, ulimit -n)");
        }
        Self(kept.clamp(FEWEST, MOST))
    }

    /// Connections that each thread takes at most.
    pub const fn of_worker(self, workers: usize) -> usize {
        (self.0 + OVERFLOW + SLACK).div_ceil(workers)
    }

    /// Streams that may stand at once: half of the connections, so that the others are answered.
    pub const fn streams(self) -> usize {
        self.0 / 2
    }
}

/// The connections that are open.
#[derive(Debug)]
pub struct Connections {
    limit: usize,
    open: AtomicUsize,
    /// Those beyond the limit, oldest first.
    overflow: Mutex<VecDeque<Arc<Overflow>>>,
}

/// A connection beyond the limit.
#[derive(Debug)]
struct Overflow {
    socket: TcpStream,
    has_asked: AtomicBool,
}

impl Connections {
    pub fn new(limit: ConnectionLimit) -> Arc<Self> {
        Arc::new(Self { limit: limit.0, open: AtomicUsize::new(0), overflow: Mutex::default() })
    }

    /// Takes note of a connection that was taken; to be called with its socket, before its first request is read.
    pub fn note(self: &Arc<Self>, socket: &dyn Any, data: &mut Extensions) {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        metrics::gauge!("http_connections").set(open as f64);
        let socket = socket.downcast_ref::<actix_web::rt::net::TcpStream>().filter(|_| open > self.limit);
        // Without a file left for it the connection is one like others.
        let socket = socket.and_then(|socket| socket.as_fd().try_clone_to_owned().ok()).map(TcpStream::from);
        let overflow = socket.map(|socket| Arc::new(Overflow { socket, has_asked: AtomicBool::new(false) }));
        if let Some(overflow) = overflow.clone() {
            self.make_room_for(overflow);
        }
        data.insert(Connection { connections: self.clone(), overflow });
    }

    /// Closes the oldest of those beyond the limit that have asked nothing, when there are too many.
    fn make_room_for(&self, newest: Arc<Overflow>) {
        let mut overflow = self.overflow.lock().expect("no panic while held");
        if overflow.len() >= OVERFLOW
            && let Some(oldest) = overflow.iter().position(|other| !other.has_asked.load(Ordering::Relaxed))
            && let Some(oldest) = overflow.remove(oldest)
        {
            let _already_closed = oldest.socket.shutdown(Shutdown::Both);
            metrics::counter!("http_connections_closed_total").increment(1);
        }
        overflow.push_back(newest);
    }
}

/// What a request knows of its connection. Goes with it.
#[derive(Debug)]
pub struct Connection {
    connections: Arc<Connections>,
    overflow: Option<Arc<Overflow>>,
}

impl Connection {
    /// A request has come over it.
    pub fn note_request(&self) {
        if let Some(overflow) = &self.overflow {
            overflow.has_asked.store(true, Ordering::Relaxed);
        }
    }

    /// Is it one too many, to be closed after its answer?
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
    fn files_are_left_for_everything_else() {
        for files in [256, 1_024, 4_096, 20_000, 1_048_576] {
            let (database_connections, workers) = (20, 4);
            let limit = ConnectionLimit::of(files, database_connections, workers);
            let taken = limit.of_worker(workers) * workers;
            // Rounding up to whole threads may take one more for each.
            let most = taken + OVERFLOW + database_connections + FILES_OF_WORKER * workers + RESERVED_FILES;
            assert!(most <= files + workers, "{files}: {limit:?} take {most}");
            assert!(limit.streams() * 2 <= taken);
        }
        assert_eq!(ConnectionLimit::of(16, 20, 4), ConnectionLimit(FEWEST));
        assert_eq!(ConnectionLimit::of(usize::MAX, 20, 4), ConnectionLimit(MOST));
    }
}
