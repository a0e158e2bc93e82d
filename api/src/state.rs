//! What handlers share, built once and handed to every worker.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::api_keys::key_ring::KeyRing;
use crate::auth::data_key::DataKey;
use crate::auth::keys::TokenKeys;
use crate::auth::revocations::Revocations;
use crate::config::Config;
use crate::db::Pool;
use crate::jobs::worker::WakeUp;
use crate::mail::Mailer;
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
    pub mailer: Mailer,
    pub data_key: DataKey,
    /// Wakes the job workers of this process.
    pub jobs: WakeUp,
    stopping: AtomicBool,
}

impl AppState {
    /// The state of a process that is about to serve.
    pub fn new(
        config: Config,
        pool: Pool,
        redis: Option<Redis>,
        token_keys: TokenKeys,
        data_key: DataKey,
        mailer: Mailer,
        scan_writer: ScanWriter,
    ) -> Self {
        let revocations = Revocations::new(config.access_token_seconds, redis.clone());
        let limits = SharedLimits::new(redis.clone());
        Self {
            config,
            pool,
            redis,
            token_keys,
            revocations,
            api_keys: KeyRing::default(),
            limits,
            scan_writer,
            mailer,
            data_key,
            jobs: WakeUp::default(),
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
