//! Copies of the primary that answer reads: which are fit, how far each has replayed, and a connection to the right one.
//!
//! Knows positions, not people: whose reads need what is for the caller to say. Nothing here writes.

mod connection;
mod primary;
mod replica;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub use connection::ReadConnection;
use primary::{Primary, PrimaryProbe};
pub use replica::ReplicaFigures;
use replica::{LOOK_INTERVAL, Replica, ReplicaProbe};

use super::Lsn;
use crate::background::{Driver, Schedule};
use crate::config::Config;

/// The replicas of the settings; none by default.
pub struct Replicas {
    replicas: Vec<Arc<Replica>>,
    primary: Arc<Primary>,
    turn: AtomicUsize,
    database_url: String,
    statement_timeout_seconds: u64,
    max_lag: Duration,
}

impl Replicas {
    /// Prepares pools. No replica is used before its [probe](Self::register_probes) has seen that it
    /// is fit.
    ///
    /// # Errors
    /// When a URL is malformed.
    pub fn new(database_url: &str, config: &Config) -> anyhow::Result<Self> {
        let urls = config.read_replica_urls.iter().map(|url| url.expose().trim()).filter(|url| !url.is_empty());
        let replicas: Vec<_> =
            urls.enumerate().map(|(index, url)| Ok(Arc::new(Replica::new(index, url, &config.database)?))).collect::<anyhow::Result<_>>()?;
        if !replicas.is_empty() {
            metrics::counter!("db_reads_total", "target" => "primary").increment(0);
        }
        Ok(Self {
            replicas,
            primary: Arc::default(),
            turn: AtomicUsize::new(0),
            database_url: database_url.to_owned(),
            statement_timeout_seconds: config.database.statement_timeout_seconds,
            max_lag: Duration::from_secs(config.replica_max_lag_seconds),
        })
    }

    /// Are there none? Then reads go to the primary, and nobody has to know positions.
    pub fn is_empty(&self) -> bool {
        self.replicas.is_empty()
    }

    /// A connection to a fit replica that has replayed `needed`; `None` when there is none just now.
    pub async fn connect(&self, needed: Lsn) -> Option<ReadConnection> {
        if needed == Lsn::NEVER {
            return None;
        }
        let fit = self.fit();
        for replica in fit.iter().filter(|replica| replica.has_replayed(needed)) {
            // Connecting may have shown that it is not where it was.
            if let Some(conn) = replica.connect().await
                && replica.has_replayed(needed)
            {
                return Some(conn);
            }
        }
        // What is known of positions is a moment old, and someone who has just written is back sooner than that.
        let replica = fit.iter().find(|replica| replica.may_have_moved())?;
        let mut conn = replica.connect().await?;
        (replica.ask(&mut conn).await? >= needed).then_some(conn)
    }

    /// The fit ones: least used first, taking turns where they are even.
    fn fit(&self) -> Vec<&Arc<Replica>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.replicas.len().max(1);
        let mut fit: Vec<_> = self.replicas[turn..].iter().chain(&self.replicas[..turn]).filter(|replica| replica.is_fit()).collect();
        fit.sort_by_key(|replica| replica.in_use());
        fit
    }

    /// Registers the probes of the primary and of each replica; none if there are no replicas.
    pub fn register_probes(&self, driver: &mut Driver) {
        if self.is_empty() {
            return;
        }
        let (url, timeout) = (self.database_url.clone(), self.statement_timeout_seconds);
        let schedule = Schedule::every(LOOK_INTERVAL).starting_at_once();
        let probe = PrimaryProbe::new(self.primary.clone(), url, timeout);
        driver.register("probe_primary", schedule.clone(), probe);
        for (index, replica) in self.replicas.iter().enumerate() {
            let probe = ReplicaProbe::new(replica.clone(), self.primary.clone(), self.max_lag);
            let schedule = schedule.clone().woken_by(replica.suspicion());
            driver.register(format!("probe_replica_{}", index + 1), schedule, probe);
        }
    }

    /// How each is, in the order of the settings.
    pub fn figures(&self) -> Vec<ReplicaFigures> {
        self.replicas.iter().map(|replica| replica.figures()).collect()
    }
}
