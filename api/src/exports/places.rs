//! Limits the number of concurrent exports.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// How long an export waits for a free slot before it is refused with 503.
const WAIT: Duration = Duration::from_secs(5);
/// The `Retry-After` of the refusal, in seconds.
const RETRY_AFTER_SECONDS: u64 = 15;

/// The export slots of this process. An export holds a database connection for as long as its
/// client reads, so exports must never hold all connections.
#[derive(Clone)]
pub struct ExportPlaces(Arc<Semaphore>);

impl ExportPlaces {
    /// Half of the connections of a pool, at least one.
    pub fn new(pool_size: usize) -> Self {
        Self(Arc::new(Semaphore::new((pool_size / 2).max(1))))
    }

    /// Acquires a slot, which is released when the permit is dropped.
    ///
    /// # Errors
    /// Returns 503 `unavailable` if no slot becomes free in time.
    pub async fn take(&self) -> Result<OwnedSemaphorePermit> {
        let permit = tokio::time::timeout(WAIT, self.0.clone().acquire_owned()).await;
        permit
            .ok()
            .and_then(std::result::Result::ok)
            .ok_or_else(|| Error::unavailable("Other exports are running. Try again in a moment.").with_retry_after(RETRY_AFTER_SECONDS))
    }
}
