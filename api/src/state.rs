//! What handlers share, built once and handed to every worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::api_keys::key_ring::KeyRing;
use crate::auth::data_key::DataKey;
use crate::auth::keys::TokenKeys;
use crate::auth::revocations::Revocations;
use crate::background::BackgroundStatus;
use crate::bag_formats::shared::SharedFormats;
use crate::bags::kept_bags::KeptBags;
use crate::cache::Cache;
use crate::config::Config;
use crate::consistency::Positions;
use crate::db::Pool;
use crate::db::replicas::Replicas;
use crate::events::hub::Hub;
use crate::events::streams::EventStreams;
use crate::exports::places::ExportPlaces;
use crate::http::connections::ConnectionLimit;
use crate::jobs::worker::WakeUp;
use crate::mail::Mailer;
use crate::redis::Redis;
use crate::scans::record_scans::ScanWriter;
use crate::shared_limits::SharedLimits;

/// The parts of the running application.
pub struct AppState {
    pub config: Config,
    /// Connections to the primary.
    pub pool: Pool,
    /// Where reads may go instead.
    pub replicas: Arc<Replicas>,
    /// How far each caller's reads must reach.
    pub positions: Positions,
    pub redis: Option<Redis>,
    pub token_keys: TokenKeys,
    pub revocations: Revocations,
    pub api_keys: KeyRing,
    pub limits: SharedLimits,
    pub cache: Cache,
    pub kept_bags: KeptBags,
    pub scan_writer: ScanWriter,
    pub formats: SharedFormats,
    /// What happens, for those who listen.
    pub events: Hub,
    /// Limits the open event streams.
    pub event_streams: EventStreams,
    /// Limits the connections of clients.
    pub connection_limit: ConnectionLimit,
    pub mailer: Mailer,
    pub data_key: DataKey,
    /// Wakes the job workers of this process.
    pub jobs: WakeUp,
    /// The status of the background tasks of this process.
    pub background: BackgroundStatus,
    /// Bounds the exports that run at once.
    pub export_places: ExportPlaces,
    /// Held while a person is being erased: one at a time in this process.
    pub erasing: tokio::sync::Mutex<()>,
    stopping: AtomicBool,
}

/// What has to be made before the state can be.
pub struct Parts {
    pub config: Config,
    pub pool: Pool,
    pub replicas: Replicas,
    pub redis: Option<Redis>,
    pub token_keys: TokenKeys,
    pub data_key: DataKey,
    pub mailer: Mailer,
    pub cache: Cache,
    pub kept_bags: KeptBags,
    pub scan_writer: ScanWriter,
    pub formats: SharedFormats,
    pub connection_limit: ConnectionLimit,
    pub background: BackgroundStatus,
}

impl AppState {
    /// The state of a process that is about to serve.
    pub fn new(parts: Parts) -> Self {
        Self {
            revocations: Revocations::new(parts.config.access_token_seconds, parts.redis.clone()),
            limits: SharedLimits::new(parts.redis.clone()),
            cache: parts.cache,
            kept_bags: parts.kept_bags,
            export_places: ExportPlaces::new(parts.pool.status().max_size),
            positions: Positions::new(!parts.replicas.is_empty(), Duration::from_secs(parts.config.replica_max_lag_seconds), parts.redis.clone()),
            replicas: Arc::new(parts.replicas),
            event_streams: EventStreams::new(parts.config.event_streams_per_caller, parts.connection_limit.streams()),
            connection_limit: parts.connection_limit,
            config: parts.config,
            pool: parts.pool,
            redis: parts.redis,
            token_keys: parts.token_keys,
            api_keys: KeyRing::default(),
            scan_writer: parts.scan_writer,
            formats: parts.formats,
            events: Hub::default(),
            mailer: parts.mailer,
            data_key: parts.data_key,
            jobs: WakeUp::default(),
            background: parts.background,
            erasing: tokio::sync::Mutex::default(),
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
