//! What handlers share, built once and handed to every worker.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::auth::keys::TokenKeys;
use crate::auth::revocations::Revocations;
use crate::config::Config;
use crate::db::Pool;
use crate::exports::places::ExportPlaces;
use crate::jobs::worker::WakeUp;
use crate::redis::Redis;
use crate::scans::record_scans::ScanWriter;

/// The parts of the running application.
pub struct AppState {
    pub config: Config,
    pub pool: Pool,
    pub redis: Option<Redis>,
    pub token_keys: TokenKeys,
    pub revocations: Revocations,
    pub scan_writer: ScanWriter,
    /// Wakes the job workers of this process.
    pub jobs: WakeUp,
    /// Bounds the exports that run at once.
    pub export_places: ExportPlaces,
    stopping: AtomicBool,
}

impl AppState {
    /// The state of a process that is about to serve.
    pub fn new(config: Config, pool: Pool, redis: Option<Redis>, token_keys: TokenKeys, scan_writer: ScanWriter) -> Self {
        let revocations = Revocations::new(config.access_token_seconds);
        let export_places = ExportPlaces::new(pool.status().max_size);
        Self { config, pool, redis, token_keys, revocations, scan_writer, jobs: WakeUp::default(), export_places, stopping: AtomicBool::new(false) }
    }

    /// From now on readiness says no, so that load balancers send requests elsewhere.
    pub fn begin_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Has the process been told to stop?
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
