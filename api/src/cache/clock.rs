//! The order of events in this process: which writes finished before which computation started.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A logical clock that counts the changes this process knows of. Cheap to clone: all clones share
/// one counter.
#[derive(Clone, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    /// The current time. A computation that starts at or after the value returned by [`Self::tick`]
    /// sees every write that finished before that call.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Advances the clock and returns the new time, which is later than all earlier ones.
    pub fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}
