//! How many streams of events stand at once: each holds a connection for as long as its page is open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::auth::Caller;
use crate::auth::caller::Credential;
use crate::error::{Error, ErrorCode, Result};

/// What a caller is told to wait, in seconds: a stream whose client is gone is noticed within its heartbeat.
const RETRY_AFTER_SECONDS: u64 = 15;

/// A person, whatever the session, or an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Owner {
    User(i64),
    ApiKey(i64),
}

/// The streams of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventStreams {
    per_caller: usize,
    in_all: usize,
    open: Arc<Mutex<HashMap<Owner, usize>>>,
}

/// A stream that counts until this is dropped.
#[derive(Debug)]
pub struct StreamPermit {
    owner: Owner,
    open: Arc<Mutex<HashMap<Owner, usize>>>,
}

impl EventStreams {
    /// So many for each caller, and for all of them together.
    pub fn new(per_caller: usize, in_all: usize) -> Self {
        Self { per_caller, in_all, open: Arc::default() }
    }

    /// A stream more for a caller.
    ///
    /// # Errors
    /// 429 `too_many_streams` when the caller has as many as may be; 503 `unavailable` when all callers together have.
    pub fn acquire(&self, caller: &Caller) -> Result<StreamPermit> {
        let owner = match caller.credential {
            Credential::ApiKey(id) => Owner::ApiKey(id),
            Credential::Session(_) => Owner::User(caller.user_id.0),
        };
        let mut open = self.open.lock().expect("no panic while held");
        if open.values().sum::<usize>() >= self.in_all {
            let busy = Error::unavailable("Too many streams of events are open. Try again in a moment.");
            return Err(busy.with_retry_after(RETRY_AFTER_SECONDS));
        }
        let own = open.entry(owner).or_default();
        if *own >= self.per_caller {
            let detail = format!("You have {own} streams of events open, as many as one caller may. Close a page, or try again in a moment.");
            return Err(Error::refused(ErrorCode::TooManyStreams, detail).with_retry_after(RETRY_AFTER_SECONDS));
        }
        *own += 1;
        metrics::gauge!("event_streams").set(open.values().sum::<usize>() as f64);
        Ok(StreamPermit { owner, open: self.open.clone() })
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open = self.open.lock().expect("no panic while held");
        if let Some(own) = open.get_mut(&self.owner) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.owner);
            }
        }
        metrics::gauge!("event_streams").set(open.values().sum::<usize>() as f64);
    }
}
