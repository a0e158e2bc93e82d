//! Limits the open event streams: each holds a connection while its page is open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::error::{Error, ErrorCode, Result};
use crate::identity::Caller;
use crate::identity::caller::Credential;

/// For the `Retry-After` header, in seconds.
const RETRY_AFTER_SECONDS: u64 = 5;
/// A closed client is noticed at the second write, which follows the first after this interval.
const PROBE_INTERVAL: Duration = Duration::from_millis(200);

/// A user, over all sessions, or an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Owner {
    User(i64),
    ApiKey(i64),
}

/// The open streams of one caller.
#[derive(Debug, Default)]
struct CallerStreams {
    count: usize,
    probe: Arc<Notify>,
}

type Open = HashMap<Owner, CallerStreams>;

/// The open streams of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventStreams {
    per_caller: usize,
    total: usize,
    open: Arc<Mutex<Open>>,
}

/// Permission for one stream, returned when it is dropped.
#[derive(Debug)]
pub struct StreamPermit {
    owner: Owner,
    open: Arc<Mutex<Open>>,
    /// Notified when the stream must write something, to detect a closed client.
    pub probe: Arc<Notify>,
}

impl EventStreams {
    /// Sets the limits: for each caller, and in total.
    pub fn new(per_caller: usize, total: usize) -> Self {
        Self { per_caller, total, open: Arc::default() }
    }

    /// Acquires a stream for a caller. At the limit, the caller's streams are probed first, so that
    /// pages that were just closed don't block a new one.
    ///
    /// # Errors
    /// 429 `too_many_streams` at the limit of the caller, 503 `unavailable` at the total limit.
    pub async fn acquire(&self, caller: &Caller) -> Result<StreamPermit> {
        let owner = match caller.credential {
            Credential::ApiKey(id) => Owner::ApiKey(id),
            Credential::Session(_) => Owner::User(caller.user_id.0),
        };
        for _ in 0..3 {
            match self.try_acquire(owner) {
                Err(Error::Refused(refusal)) if refusal.code == ErrorCode::TooManyStreams => self.probe(owner),
                answer => return answer,
            }
            sleep(PROBE_INTERVAL).await;
        }
        self.try_acquire(owner)
    }

    fn try_acquire(&self, owner: Owner) -> Result<StreamPermit> {
        let mut open = lock(&self.open);
        if count(&open) >= self.total {
            let busy = Error::unavailable("Too many event streams are open. Try again in a moment.");
            return Err(busy.with_retry_after(RETRY_AFTER_SECONDS));
        }
        let own = open.entry(owner).or_default();
        if own.count >= self.per_caller {
            let count = own.count;
            let detail = format!("You have {count} event streams open, which is the limit. Close a page, or try again in a moment.");
            return Err(Error::refused(ErrorCode::TooManyStreams, detail).with_retry_after(RETRY_AFTER_SECONDS));
        }
        own.count += 1;
        let probe = own.probe.clone();
        metrics::gauge!("event_streams").set(count(&open) as f64);
        Ok(StreamPermit { owner, open: self.open.clone(), probe })
    }

    fn probe(&self, owner: Owner) {
        if let Some(own) = lock(&self.open).get(&owner) {
            own.probe.notify_waiters();
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().expect("no panic while held")
}

fn count(open: &Open) -> usize {
    open.values().map(|own| own.count).sum()
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if let Some(own) = open.get_mut(&self.owner) {
            own.count -= 1;
            if own.count == 0 {
                open.remove(&self.owner);
            }
        }
        metrics::gauge!("event_streams").set(count(&open) as f64);
    }
}
