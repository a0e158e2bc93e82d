//! The order of things in this process: who wrote before which answer began to be made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what happens to the data as far as this process knows. Cheap to clone; all clones are one clock.
#[derive(Clone, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    /// The moment it is. What was written before a [`Self::tick`] is seen by whatever begins to read at or after the
    /// number that the tick returned.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// A new moment, later than all before.
    pub fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}
