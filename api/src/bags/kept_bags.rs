//! A cache of recently read bags.
//!
//! All clients of this process must see the current state of a bag. The scan writer invalidates the
//! bags that it wrote by code before any response is sent, and every other write that may concern
//! bags invalidates all of them. Other processes can't be notified with the same certainty, so bags
//! are cached only without Redis: a configured Redis means that several processes act as one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::bag_formats::qr_code::QrCode;
use crate::cache::{Clock, Fills, Freshness};
use crate::error::Result;
use crate::http::etag::Tagged;

/// Maximum number of cached bags.
const MAX_KEPT: u64 = 20_000;

/// The response for a bag, and the dispatch area that decides who may see it.
#[derive(Clone)]
pub struct KeptBag {
    pub answer: Tagged,
    pub area_id: Option<i32>,
}

/// Cheap to clone: all clones share one cache.
#[derive(Clone)]
pub struct KeptBags(Arc<Inner>);

struct Inner {
    clock: Clock,
    /// Entries whose computation started before this time are stale.
    need: AtomicU64,
    bags: Fills<KeptBag>,
}

impl KeptBags {
    /// An empty cache. Each bag is cached for `lifetime`; zero disables caching.
    pub fn new(clock: &Clock, lifetime: Duration) -> Self {
        Self(Arc::new(Inner { clock: clock.clone(), need: AtomicU64::new(0), bags: Fills::new("bags", clock.clone(), lifetime, MAX_KEPT) }))
    }

    /// Returns the bag with this code, and calls `read` if it is not cached.
    ///
    /// # Errors
    /// Propagates the error of `read`. Errors are not cached.
    pub async fn get<F: Future<Output = Result<KeptBag>>>(&self, code: &QrCode, freshness: Freshness, read: F) -> Result<KeptBag> {
        let need = match freshness {
            Freshness::AfterOwnWrites(_) => self.0.need.load(Ordering::SeqCst),
            Freshness::Anew => self.0.clock.tick(),
        };
        self.0.bags.get(code.as_str(), need, read).await
    }

    /// Invalidates the bags with these codes. Call it after the commit and before the response is
    /// sent.
    pub fn forget<'a>(&self, codes: impl IntoIterator<Item = &'a QrCode>) {
        for code in codes {
            self.0.bags.forget(code.as_str());
        }
    }

    /// Invalidates all bags.
    pub fn forget_all(&self) {
        self.0.need.fetch_max(self.0.clock.tick(), Ordering::SeqCst);
    }

    /// The approximate number of cached bags.
    pub fn count(&self) -> u64 {
        self.0.bags.count()
    }
}
