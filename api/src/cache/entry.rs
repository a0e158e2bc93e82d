//! An answer and how long it lives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;

/// An answer as JSON.
#[derive(Clone)]
pub struct Entry {
    pub body: Arc<[u8]>,
    pub lifetime: Duration,
}

/// Each answer's own lifetime.
pub struct Lifetimes;

impl Expiry<String, Entry> for Lifetimes {
    fn expire_after_create(&self, _key: &String, entry: &Entry, _created_at: Instant) -> Option<Duration> {
        Some(entry.lifetime)
    }
}

/// A fifth more or less.
pub fn jittered(lifetime: Duration) -> Duration {
    lifetime.mul_f64(rand::random_range(0.8..1.2))
}
