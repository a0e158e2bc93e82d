//! The formats as every part of this process sees them, renewed when an admin changes them here or elsewhere.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use crate::bag_formats::qr_code::BagFormats;
use crate::db::Pool;
use crate::error::Result;

/// Changes made through other processes are seen within this.
pub const POLL_INTERVAL: Duration = Duration::from_secs(3);

/// Cheap to clone; all clones see the same formats.
#[derive(Clone)]
pub struct SharedFormats(Arc<RwLock<BagFormats>>);

impl SharedFormats {
    /// Shares what was read.
    pub fn new(formats: BagFormats) -> Self {
        Self(Arc::new(RwLock::new(formats)))
    }

    /// The formats of this moment; they stay what they are while one batch is decided.
    pub fn current(&self) -> BagFormats {
        self.0.read().expect("no panic while held").clone()
    }

    /// Reads them again.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn refresh(&self, pool: &Pool) -> Result<()> {
        let formats = BagFormats::load(&mut *pool.get().await?).await?;
        *self.0.write().expect("no panic while held") = formats;
        Ok(())
    }
}
