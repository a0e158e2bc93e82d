//! Bags that were looked up a moment ago.
//!
//! A bag must be right at once for everyone who uses this process: what the scan writer writes is forgotten here by its code
//! before anybody has an answer, and after any other write that may concern bags everything is. Other processes can't be
//! told that surely, so bags are kept only where there is no Redis: where it is set, several processes are to be one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::qr_code::QrCode;
use crate::cache::{Clock, Fills, Freshness};
use crate::error::Result;
use crate::http::etag::Tagged;

/// Most bags kept.
const MAX_KEPT: u64 = 20_000;

/// A bag as it is answered, and who may see it.
#[derive(Clone)]
pub struct KeptBag {
    pub answer: Tagged,
    pub area_id: Option<i32>,
}

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct KeptBags(Arc<Inner>);

struct Inner {
    clock: Clock,
    /// What began before this moment is not shown any more.
    need: AtomicU64,
    bags: Fills<KeptBag>,
}

impl KeptBags {
    /// None yet. Each is kept `lifetime`; with zero nothing is.
    pub fn new(clock: &Clock, lifetime: Duration) -> Self {
        Self(Arc::new(Inner { clock: clock.clone(), need: AtomicU64::new(0), bags: Fills::new("bags", clock.clone(), lifetime, MAX_KEPT) }))
    }

    /// The bag with this code, read by `read` when it is not there.
    ///
    /// # Errors
    /// What `read` returned; nothing is kept then.
    pub async fn get<F: Future<Output = Result<KeptBag>>>(&self, code: &QrCode, freshness: Freshness, read: F) -> Result<KeptBag> {
        let need = match freshness {
            Freshness::AfterOwnWrites(_) => self.0.need.load(Ordering::SeqCst),
            Freshness::Anew => self.0.clock.tick(),
        };
        self.0.bags.get(code.as_str(), need, read).await
    }

    /// Bags with these codes have changed: call it after the commit, before anybody is told.
    pub fn forget<'a>(&self, codes: impl IntoIterator<Item = &'a QrCode>) {
        for code in codes {
            self.0.bags.forget(code.as_str());
        }
    }

    /// Any bag may have changed.
    pub fn forget_all(&self) {
        self.0.need.fetch_max(self.0.clock.tick(), Ordering::SeqCst);
    }

    /// Bags kept, about.
    pub fn count(&self) -> u64 {
        self.0.bags.count()
    }
}
