//! What handlers share, built once and handed to every worker.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::background::BackgroundStatus;
use crate::cache::Cache;
use crate::config::Config;
use crate::db::Pool;
use crate::db::positions::Positions;
use crate::db::replicas::Replicas;
use crate::http::connections::ConnectionLimit;
use crate::http::draining::Draining;
use crate::jobs::worker::WakeUp;
use crate::redis::Redis;
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
    pub limits: SharedLimits,
    pub cache: Cache,
    /// Limits the connections of clients.
    pub connection_limit: ConnectionLimit,
    /// Wakes the job workers of this process.
    pub jobs: WakeUp,
    /// The status of the background tasks of this process.
    pub background: BackgroundStatus,
    /// Held while a person is being erased: one at a time in this process.
    pub erasing: tokio::sync::Mutex<()>,
    /// The parts of the features, by their types.
    parts: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    /// Whether the process is stopping.
    pub draining: Draining,
}

/// What has to be made before the state can be.
pub struct Parts {
    pub config: Config,
    pub pool: Pool,
    pub replicas: Replicas,
    pub redis: Option<Redis>,
    pub cache: Cache,
    pub connection_limit: ConnectionLimit,
    pub background: BackgroundStatus,
}

impl AppState {
    /// The state of a process that is about to serve.
    pub fn new(parts: Parts) -> Self {
        Self {
            limits: SharedLimits::new(parts.redis.clone()),
            cache: parts.cache,
            positions: Positions::new(!parts.replicas.is_empty(), Duration::from_secs(parts.config.replica_max_lag_seconds), parts.redis.clone()),
            replicas: Arc::new(parts.replicas),
            connection_limit: parts.connection_limit,
            config: parts.config,
            pool: parts.pool,
            redis: parts.redis,
            jobs: WakeUp::default(),
            background: parts.background,
            erasing: tokio::sync::Mutex::default(),
            parts: HashMap::new(),
            draining: Draining::default(),
        }
    }

    /// Adds the part of a feature. The state holds it without knowing the feature, so that features
    /// can use the state.
    #[must_use]
    pub fn with<T: Send + Sync + 'static>(mut self, part: T) -> Self {
        self.parts.insert(TypeId::of::<T>(), Box::new(part));
        self
    }

    /// The part of this type.
    ///
    /// # Panics
    /// If the application was built without it.
    pub fn part<T: Send + Sync + 'static>(&self) -> &T {
        let part = self.parts.get(&TypeId::of::<T>()).and_then(|part| part.downcast_ref());
        part.expect("the application was built with every part")
    }

    /// From now on readiness says no, so that load balancers send requests elsewhere.
    pub fn begin_stopping(&self) {
        self.draining.begin();
    }

    /// Has the process been told to stop?
    pub fn is_stopping(&self) -> bool {
        self.draining.has_begun()
    }
}
