//! How many streams of events stand at once: each holds a connection for as long as its page is open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::auth::Caller;
use crate::auth::caller::Credential;
use crate::error::{Error, ErrorCode, Result};

/// What a caller is told to wait, in seconds.
const RETRY_AFTER_SECONDS: u64 = 5;
/// A client that is gone is noticed when something is sent to it for the second time: this long after the first.
const PROBE_INTERVAL: Duration = Duration::from_millis(200);

/// A person, whatever the session, or an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Owner {
    User(i64),
    ApiKey(i64),
}

/// The streams of one caller.
#[derive(Debug, Default)]
struct Own {
    count: usize,
    probe: Arc<Notify>,
}

type Open = HashMap<Owner, Own>;

/// The streams of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventStreams {
    per_caller: usize,
    in_all: usize,
    open: Arc<Mutex<Open>>,
}

/// A stream that counts until this is dropped.
#[derive(Debug)]
pub struct StreamPermit {
    owner: Owner,
    open: Arc<Mutex<Open>>,
    /// Notified when something is to be sent, so that it shows whether the client is still there.
    pub probe: Arc<Notify>,
}

impl EventStreams {
    /// So many for each caller, and for all of them together.
    pub fn new(per_caller: usize, in_all: usize) -> Self {
        Self { per_caller, in_all, open: Arc::default() }
    }

    /// A stream more for a caller. When there are too many, those that stand are probed first: pages that were closed a moment
    /// ago must not keep the next one from listening.
    ///
    /// # Errors
    /// 429 `too_many_streams` when the caller has as many as may be; 503 `unavailable` when all callers together have.
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
        if total(&open) >= self.in_all {
            let busy = Error::unavailable("Too many streams of events are open. Try again in a moment.");
            return Err(busy.with_retry_after(RETRY_AFTER_SECONDS));
        }
        let own = open.entry(owner).or_default();
        if own.count >= self.per_caller {
            let count = own.count;
            let detail = format!("You have {count} streams of events open, as many as one caller may. Close a page, or try again in a moment.");
            return Err(Error::refused(ErrorCode::TooManyStreams, detail).with_retry_after(RETRY_AFTER_SECONDS));
        }
        own.count += 1;
        let probe = own.probe.clone();
        metrics::gauge!("event_streams").set(total(&open) as f64);
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

fn total(open: &Open) -> usize {
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
        metrics::gauge!("event_streams").set(total(&open) as f64);
    }
}
