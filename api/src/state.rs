//! What handlers share, built once and handed to every worker.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::api_keys::key_ring::KeyRing;
use crate::auth::keys::TokenKeys;
use crate::auth::revocations::Revocations;
use crate::bag_formats::shared::SharedFormats;
use crate::config::Config;
use crate::db::Pool;
use crate::events::hub::Hub;
use crate::exports::places::ExportPlaces;
use crate::jobs::worker::WakeUp;
use crate::redis::Redis;
use crate::scans::record_scans::ScanWriter;
use crate::shared_limits::SharedLimits;

/// The parts of the running application.
pub struct AppState {
    pub config: Config,
    pub pool: Pool,
    pub redis: Option<Redis>,
    pub token_keys: TokenKeys,
    pub revocations: Revocations,
    pub api_keys: KeyRing,
    pub limits: SharedLimits,
    pub scan_writer: ScanWriter,
    pub formats: SharedFormats,
    /// What happens, for those who listen.
    pub events: Hub,
    /// Wakes the job workers of this process.
    pub jobs: WakeUp,
    /// Bounds the exports that run at once.
    pub export_places: ExportPlaces,
    stopping: AtomicBool,
}

impl AppState {
    /// The state of a process that is about to serve.
    pub fn new(config: Config, pool: Pool, redis: Option<Redis>, token_keys: TokenKeys, scan_writer: ScanWriter, formats: SharedFormats) -> Self {
        let revocations = Revocations::new(config.access_token_seconds, redis.clone());
        let limits = SharedLimits::new(redis.clone());
        let export_places = ExportPlaces::new(pool.status().max_size);
        Self {
            config,
            pool,
            redis,
            token_keys,
            revocations,
            api_keys: KeyRing::default(),
            limits,
            scan_writer,
            formats,
            events: Hub::default(),
            jobs: WakeUp::default(),
            export_places,
            stopping: AtomicBool::new(false),
        }
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
