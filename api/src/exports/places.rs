//! How many exports run at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// How long an export waits for another to end before it is answered with 503.
const WAIT: Duration = Duration::from_secs(5);
/// What a caller is told to wait, in seconds.
const RETRY_AFTER_SECONDS: u64 = 15;

/// The places for exports in this process: each holds a database connection for as long as its client takes to
/// read, so they must never hold all of them.
#[derive(Clone)]
pub struct ExportPlaces(Arc<Semaphore>);

impl ExportPlaces {
    /// Half of the connections of a pool, at least one.
    pub fn new(pool_size: usize) -> Self {
        Self(Arc::new(Semaphore::new((pool_size / 2).max(1))))
    }

    /// Takes a place, given back when the permit is dropped.
    ///
    /// # Errors
    /// 503 `unavailable` when all places stay taken.
    pub async fn take(&self) -> Result<OwnedSemaphorePermit> {
        let permit = tokio::time::timeout(WAIT, self.0.clone().acquire_owned()).await;
        permit
            .ok()
            .and_then(std::result::Result::ok)
            .ok_or_else(|| Error::unavailable("Others are exporting just now. Try again in a moment.").with_retry_after(RETRY_AFTER_SECONDS))
    }
}
