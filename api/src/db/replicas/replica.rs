//! One replica: its connections, and what was last seen of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deadpool::managed::{Object, TimeoutType, Timeouts};
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::PoolError;
use serde::Serialize;
use tokio::sync::Notify;
use utoipa::ToSchema;

use super::connection::ReadConnection;
use super::primary::{Lag, Primary};
use crate::background::{PeriodicTask, TaskResult};
use crate::config::DatabaseConfig;
use crate::db::{Lsn, Pool, lsn, pool};

/// Each replica is looked at this often, so that one that dies is left out within a second.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// One that takes longer to answer is left out.
pub(super) const LOOK_TIMEOUT: Duration = Duration::from_millis(500);
/// A new connection may take this long: over a wide network, with encryption. Nobody waits for it meanwhile.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A position this old is not asked for again: a replica that stands still must not be asked by every read.
const FRESH: Duration = Duration::from_millis(10);
/// A read waits this long for a replica: there is the primary.
const LOAN: Timeouts =
    Timeouts { wait: Some(Duration::from_millis(20)), create: Some(Duration::from_secs(1)), recycle: Some(Duration::from_secs(1)) };

/// The status of a replica, for admins.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReplicaFigures {
    /// Host and port.
    #[schema(example = "db2.example:5432")]
    pub name: String,
    /// Whether the replica gets reads.
    pub is_healthy: bool,
    /// Age of the oldest change that it has not replayed; null if it does not respond.
    #[schema(required)]
    pub lag_seconds: Option<f64>,
    /// Bytes of write-ahead log that it has not replayed; null if it does not respond.
    #[schema(required)]
    pub lag_bytes: Option<u64>,
    /// Connections of this process to the replica.
    pub connections: usize,
}

/// What was seen of one that answered.
#[derive(Debug, Clone, Copy)]
struct Seen {
    replayed: Lsn,
    asked_at: Instant,
    lag: Lag,
    is_fit: bool,
}

pub struct Replica {
    name: String,
    url: String,
    statement_timeout_seconds: u64,
    pool: Pool,
    /// `None` while it does not answer.
    seen: Mutex<Option<Seen>>,
    suspicion: Arc<Notify>,
}

impl Replica {
    pub fn new(index: usize, url: &str, config: &DatabaseConfig) -> anyhow::Result<Self> {
        let name = name_of(url).unwrap_or_else(|| format!("replica-{}", index + 1));
        // It gets no reads before it has been seen.
        metrics::gauge!("db_replica_healthy", "replica" => name.clone()).set(0.0);
        metrics::counter!("db_reads_total", "target" => name.clone()).increment(0);
        Ok(Self {
            name,
            url: url.to_owned(),
            statement_timeout_seconds: config.statement_timeout_seconds,
            pool: pool::create_read_only(url, config)?,
            seen: Mutex::default(),
            suspicion: Arc::default(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn seen(&self) -> Option<Seen> {
        *self.seen.lock().expect("no panic while held")
    }

    pub fn is_fit(&self) -> bool {
        self.seen().is_some_and(|seen| seen.is_fit)
    }

    pub fn has_replayed(&self, position: Lsn) -> bool {
        self.seen().is_some_and(|seen| seen.replayed >= position)
    }

    /// Is it worth asking again where it is?
    pub fn may_have_moved(&self) -> bool {
        self.seen().is_some_and(|seen| seen.asked_at.elapsed() > FRESH)
    }

    /// Connections on loan, and requests that wait for one.
    pub fn in_use(&self) -> usize {
        let status = self.pool.status();
        status.size.saturating_sub(status.available) + status.waiting
    }

    /// A connection, unless all are in use. One that can't be made leaves the replica out at once.
    pub async fn connect(self: &Arc<Self>) -> Option<ReadConnection> {
        match self.pool.timeout_get(&LOAN).await {
            Ok(mut conn) => {
                // After a restart a replica may be where it was some time ago, and only new connections lead there.
                if Object::metrics(&conn).recycled.is_none() {
                    self.ask(&mut conn).await?;
                }
                Some(ReadConnection::to_replica(conn, self.clone()))
            }
            Err(PoolError::Timeout(TimeoutType::Wait)) => None,
            Err(error) => {
                self.leave_out(&error);
                None
            }
        }
    }

    /// Asks where it is by now.
    pub async fn ask(&self, conn: &mut AsyncPgConnection) -> Option<Lsn> {
        let asked_at = Instant::now();
        match tokio::time::timeout(LOOK_TIMEOUT, lsn::replayed(conn)).await {
            Ok(Ok(replayed)) => {
                if let Some(seen) = &mut *self.seen.lock().expect("no panic while held") {
                    *seen = Seen { replayed, asked_at, ..*seen };
                }
                Some(replayed)
            }
            Ok(Err(error)) => {
                self.leave_out(&error);
                None
            }
            Err(elapsed) => {
                self.leave_out(&elapsed);
                None
            }
        }
    }

    /// Something looks wrong: look now, not at the next turn.
    pub fn look_at_once(&self) {
        self.suspicion.notify_one();
    }

    /// No reads until it has been seen fit again.
    fn leave_out(&self, why: &dyn std::fmt::Display) {
        let known = self.seen.lock().expect("no panic while held").take();
        if known.is_some() {
            tracing::warn!(replica = self.name, error = %why, "a replica is left out: it does not answer");
        }
        // They may look alive when it comes back.
        let _closed = self.pool.retain(|_, _| false);
        metrics::gauge!("db_replica_healthy", "replica" => self.name.clone()).set(0.0);
    }

    /// A notification makes the next probe start early.
    pub fn suspicion(&self) -> Arc<Notify> {
        self.suspicion.clone()
    }

    async fn connect_for_probes(&self) -> anyhow::Result<AsyncPgConnection> {
        let connect = pool::connect_read_only(self.url.clone(), self.statement_timeout_seconds);
        Ok(tokio::time::timeout(CONNECT_TIMEOUT, connect).await??)
    }

    fn note(&self, replayed: Lsn, primary: &Primary, max_lag: Duration) {
        let asked_at = Instant::now();
        let lag = primary.lag_of(replayed, asked_at);
        let is_fit = lag.time <= max_lag;
        let before = self.seen.lock().expect("no panic while held").replace(Seen { replayed, asked_at, lag, is_fit });
        match (before.is_some_and(|seen| seen.is_fit), is_fit) {
            (false, true) => tracing::info!(replica = self.name, "a replica gets reads"),
            (true, false) => tracing::warn!(replica = self.name, lag_seconds = lag.time.as_secs(), "a replica is left out: it lags behind"),
            _ => {}
        }
        let name = || self.name.clone();
        metrics::gauge!("db_replica_healthy", "replica" => name()).set(f64::from(u8::from(is_fit)));
        metrics::gauge!("db_replica_lag_seconds", "replica" => name()).set(lag.time.as_secs_f64());
        metrics::gauge!("db_replica_lag_bytes", "replica" => name()).set(lag.bytes as f64);
    }

    pub fn figures(&self) -> ReplicaFigures {
        let seen = self.seen();
        ReplicaFigures {
            name: self.name.clone(),
            is_healthy: seen.is_some_and(|seen| seen.is_fit),
            lag_seconds: seen.map(|seen| (seen.lag.time.as_secs_f64() * 1e3).round() / 1e3),
            lag_bytes: seen.map(|seen| seen.lag.bytes),
            connections: self.pool.status().size,
        }
    }
}

/// Looks at a replica, and leaves it out or takes it back.
pub struct ReplicaProbe {
    replica: Arc<Replica>,
    primary: Arc<Primary>,
    max_lag: Duration,
    conn: Option<AsyncPgConnection>,
}

impl ReplicaProbe {
    pub fn new(replica: Arc<Replica>, primary: Arc<Primary>, max_lag: Duration) -> Self {
        Self { replica, primary, max_lag, conn: None }
    }

    async fn replayed(&mut self) -> anyhow::Result<Lsn> {
        // A connection whose statement failed or timed out is dropped.
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => self.replica.connect_for_probes().await?,
        };
        let replayed = tokio::time::timeout(LOOK_TIMEOUT, lsn::replayed(&mut conn)).await??;
        self.conn = Some(conn);
        Ok(replayed)
    }
}

impl PeriodicTask for ReplicaProbe {
    /// A replica that does not answer is no failure of its probe: the health reports replicas as a
    /// part of its own.
    async fn run(&mut self) -> TaskResult {
        match self.replayed().await {
            Ok(replayed) => {
                self.replica.note(replayed, &self.primary, self.max_lag);
                Ok(String::new())
            }
            Err(error) => {
                let reason = format!("{error:#}");
                self.replica.leave_out(&reason);
                Ok(format!("{} does not answer: {reason}", self.replica.name))
            }
        }
    }
}

/// Host and port of a URL, never the rest of it.
fn name_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next().filter(|host| !host.is_empty())?;
    Some(percent_encoding::percent_decode_str(host).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_named_by_its_host_and_its_password_stays_secret() {
        let name = |url| name_of(url).unwrap_or_default();
        assert_eq!(name("postgres://tt:se%40cret@db2.example:5433/traitortrack?sslmode=require"), "db2.example:5433");
        assert_eq!(name("postgres://db2.example/traitortrack"), "db2.example");
        assert_eq!(name("postgres://tt@%2Frun%2Fpg/traitortrack"), "/run/pg");
        assert_eq!(name_of("host=db2 password=secret"), None);
        assert_eq!(name_of("postgres:///traitortrack"), None);
    }
}
