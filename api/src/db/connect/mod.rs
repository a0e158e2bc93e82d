//! Opens connections, and drops silent ones.
//!
//! tokio-postgres waits for a response without a limit: when a network drops packets, a machine is
//! frozen or a proxy stalls, the connection looks alive and every query hangs. So every connection
//! is watched at the level of its byte stream, independent of its user. When a response is due and
//! no byte arrives for longer than the server's own time limit, the connection is dropped, and its
//! user gets the error of a lost connection.

mod address;
mod messages;
mod watch;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::QueryableByName;
use diesel::result::{DatabaseErrorKind, Error as DbError};
use diesel::sql_types::{Bool, Integer, Timestamptz};
use diesel::{ConnectionError, ConnectionResult, QueryResult};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Config, Connection, NoTls};

use self::address::{Address, Transport};
use self::watch::{Scope, Session, Target, Watch, WatchedStream};
use super::sql;

/// After the server's time limit for a statement, its error message has this long to arrive.
const MARGIN: Duration = Duration::from_secs(3);
/// Limit of one connection attempt, including the handshake, unless the URL has a
/// `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// As [`CONNECT_TIMEOUT`], for URLs with several addresses.
const CONNECT_TIMEOUT_PER_ADDRESS: Duration = Duration::from_secs(2);
/// Maximum silence on connections without a `statement_timeout`, while the server does not confirm
/// that it is working.
const UNLIMITED_SILENCE: Duration = Duration::from_secs(15);
/// The server is asked for the state of a silent session after this long, and again in this
/// interval.
const SESSION_CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// A connection that was idle for longer is tested before it is used.
const TEST_AFTER: Duration = Duration::from_secs(5);
/// Limit of such a test, and of the question for the state of a session.
const TEST_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection may be silent while a response is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseLimit {
    /// The server's `statement_timeout` in seconds; a small margin is added.
    Seconds(u64),
    /// No `statement_timeout`. The connection stays open as long as the server confirms, over
    /// another connection, that it is working on the statement.
    WhileServerWorks,
}

impl ResponseLimit {
    /// The limit of connections with this `statement_timeout` in seconds; 0 means none.
    pub const fn of(statement_timeout_seconds: u64) -> Self {
        if statement_timeout_seconds == 0 { Self::WhileServerWorks } else { Self::Seconds(statement_timeout_seconds) }
    }

    fn max_silence(self) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds).saturating_add(MARGIN),
            Self::WhileServerWorks => UNLIMITED_SILENCE,
        }
    }
}

/// Opens a connection to the first address of the URL that accepts it. With several addresses, or
/// with `target_session_attrs=read-write` in the URL, the server must also accept writes.
///
/// # Errors
/// When no address accepts the connection in time.
pub async fn open(url: &str, limit: ResponseLimit) -> ConnectionResult<AsyncPgConnection> {
    let config: Config = url.parse().map_err(|error: tokio_postgres::Error| ConnectionError::InvalidConnectionUrl(error.to_string()))?;
    let addresses = Address::all_of(&config);
    let attributes = match config.get_target_session_attrs() {
        TargetSessionAttrs::Any if addresses.len() > 1 => TargetSessionAttrs::ReadWrite,
        asked => asked,
    };
    let default_timeout = if addresses.len() > 1 { CONNECT_TIMEOUT_PER_ADDRESS } else { CONNECT_TIMEOUT };
    let limit_of_each = config.get_connect_timeout().copied().unwrap_or(default_timeout);
    let target = Target::of(url);
    let mut last = ConnectionError::InvalidConnectionUrl("it names no host".into());
    for (index, address) in target.last_good_first(&addresses) {
        match timeout(limit_of_each, open_at(address, &config, url, limit, attributes)).await {
            Ok(Ok(conn)) => {
                target.record_good(index);
                return Ok(conn);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = ConnectionError::BadConnection(format!("{address} did not answer within {limit_of_each:?}")),
        }
    }
    Err(last)
}

async fn open_at(
    address: &Address,
    config: &Config,
    url: &str,
    limit: ResponseLimit,
    attributes: TargetSessionAttrs,
) -> ConnectionResult<AsyncPgConnection> {
    let transport = address.connect(config).await.map_err(|error| ConnectionError::BadConnection(format!("{address}: {error}")))?;
    let watch = Arc::new(Watch::new(Target::of(url)));
    let is_started = Arc::new(AtomicBool::new(false));
    let stream = WatchedStream::new(transport, watch.clone(), is_started.clone());
    let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(|error| refused(&error))?;
    is_started.store(true, Relaxed);
    let (in_use, dropped) = oneshot::channel();
    // Not a registered task: it ends with the connection that it drives.
    tokio::spawn(drive(connection, watch.clone(), dropped, url.to_owned(), limit.max_silence()));
    let mut conn = AsyncPgConnection::try_from(client).await?;
    conn.set_instrumentation(WatchHandle { watch: watch.clone(), _in_use: in_use });
    if let Some(session) = session_of(&mut conn).await.map_err(ConnectionError::CouldntSetupConfiguration)? {
        watch.set_session(session);
    }
    if limit == ResponseLimit::WhileServerWorks {
        watch.allow_long_statements(Scope::Session);
    }
    if attributes != TargetSessionAttrs::Any {
        let is_read_only = is_read_only(&mut conn).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
        if is_read_only != (attributes == TargetSessionAttrs::ReadOnly) {
            let what = if is_read_only { "can't be written" } else { "is not read only" };
            return Err(ConnectionError::BadConnection(format!("the server at {address} {what}")));
        }
    }
    Ok(conn)
}

/// The server's error when it refuses a connection.
fn refused(error: &tokio_postgres::Error) -> ConnectionError {
    ConnectionError::CouldntSetupConfiguration(match error.as_db_error() {
        Some(answer) => DbError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(answer.message().to_owned())),
        None => lost(&error.to_string()),
    })
}

/// The error of a lost connection.
fn lost(why: &str) -> DbError {
    DbError::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(why.to_owned()))
}

/// Drives a connection until it ends, its user drops it, or it is silent for too long. The end
/// closes the socket; callers that wait for a response get an error.
async fn drive(
    mut connection: Connection<WatchedStream<Box<dyn Transport>>, NoTlsStream>,
    watch: Arc<Watch>,
    dropped: oneshot::Receiver<Infallible>,
    url: String,
    max_silence: Duration,
) {
    let mut messages = stream::poll_fn(|cx| connection.poll_message(cx));
    let driven = async {
        while let Some(message) = messages.next().await {
            if let Err(error) = message {
                tracing::debug!(%error, "database connection ended");
                return;
            }
        }
    };
    tokio::select! {
        () = driven => {}
        _ = dropped => {}
        silence = wait_for_silence(&watch, &url, max_silence) => {
            watch.record_silence();
            tracing::warn!(seconds = silence.as_secs(), "database connection dropped: a response is due, and no data arrives");
            if let Some(session) = watch.session() {
                // Not a registered task: it asks once about a connection that is gone.
                tokio::spawn(check_session(url, session));
            }
        }
    }
}

/// Returns when the connection is silent for longer than `max_silence`, or earlier when the server
/// reports that the session is not working: then the request or its response is lost. Returns the
/// length of the silence.
async fn wait_for_silence(watch: &Watch, url: &str, max_silence: Duration) -> Duration {
    let interval = (max_silence / 4).min(Duration::from_secs(1));
    let suspicious = max_silence.min(SESSION_CHECK_INTERVAL);
    let mut is_suspicious = false;
    let mut next_check = SESSION_CHECK_INTERVAL;
    loop {
        sleep(interval).await;
        // Two looks in a row: after a pause of this process a response may be waiting in the
        // socket.
        let was_suspicious = std::mem::replace(&mut is_suspicious, watch.silence() > suspicious);
        if !(was_suspicious && is_suspicious) {
            next_check = SESSION_CHECK_INTERVAL;
            continue;
        }
        let is_over = watch.silence() > max_silence;
        let mut is_working = None;
        if watch.silence() > next_check || (is_over && watch.allows_long_statements()) {
            is_working = check_session_in_time(watch, url).await;
            next_check = watch.silence() + SESSION_CHECK_INTERVAL;
        }
        // The response may have arrived during the check.
        let silence = watch.silence();
        match is_working {
            Some(true) if watch.allows_long_statements() => watch.record_activity(),
            Some(false) if silence > suspicious => return silence,
            _ if is_over && silence > max_silence => return silence,
            _ => {}
        }
    }
}

async fn check_session_in_time(watch: &Watch, url: &str) -> Option<bool> {
    let session = watch.session()?;
    timeout(TEST_TIMEOUT, check_session(url.to_owned(), session)).await.ok().flatten()
}

/// Asks the server whether a silent session is working, or was a second ago; `None` when the server
/// can't be asked.
///
/// A session that waits for its client is terminated, which releases its locks. A working one never
/// is: it may be waiting for a synchronous standby in its commit, and terminating it would make a
/// commit visible that the standby does not have.
fn check_session(url: String, session: Session) -> BoxFuture<'static, Option<bool>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_working: bool,
    }
    let check = async move {
        let mut conn = open(&url, ResponseLimit::Seconds(1)).await.ok()?;
        let rows: Vec<Row> = sql("WITH session AS (SELECT pid, (state = 'active' AND wait_event_type IS DISTINCT FROM 'Client') \
                                                            OR state_change > clock_timestamp() - interval '1 second' AS is_working \
                                                   FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2) \
                                  SELECT is_working OR NOT pg_terminate_backend(pid) AS is_working FROM session")
        .bind::<Integer, _>(session.process)
        .bind::<Timestamptz, _>(session.started_at)
        .load(&mut conn)
        .await
        .ok()?;
        Some(rows.iter().any(|row| row.is_working))
    };
    check.boxed()
}

async fn session_of(conn: &mut AsyncPgConnection) -> QueryResult<Option<Session>> {
    let rows: Vec<Session> =
        sql("SELECT pid AS process, backend_start AS started_at FROM pg_stat_activity WHERE pid = pg_backend_pid()").load(conn).await?;
    Ok(rows.into_iter().next())
}

async fn is_read_only(conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_read_only: bool,
    }
    let rows: Vec<Row> = sql("SELECT current_setting('transaction_read_only')::boolean AS is_read_only").load(conn).await?;
    Ok(rows.iter().any(|row| row.is_read_only))
}

/// Allows the statements of the current transaction to take as long as the server works on them.
/// For transactions that set `statement_timeout = 0`.
pub fn allow_long_statements(conn: &mut AsyncPgConnection) {
    if let Some(watch) = watch_of(conn) {
        watch.allow_long_statements(Scope::Transaction);
    }
}

/// Checks that an idle connection can be used: neither it nor a younger one to the same target was
/// silent, and its server accepts writes. After some idle time it is tested with a query.
///
/// # Errors
/// When the connection must be replaced.
pub async fn check_before_use(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let Some(watch) = watch_of(conn) else { return Ok(()) };
    if watch.must_be_replaced() {
        return Err(lost("the connection must be replaced"));
    }
    if watch.idle_time() < TEST_AFTER {
        return Ok(());
    }
    ShortQuery::on(conn).within(TEST_TIMEOUT, conn.batch_execute("SELECT 1")).await
}

/// A query with a time limit of its own, shorter than that of the connection.
pub struct ShortQuery(Option<Arc<Watch>>);

impl ShortQuery {
    /// Prepares the limit for a query on this connection.
    pub fn on(conn: &mut AsyncPgConnection) -> Self {
        Self(watch_of(conn))
    }

    /// Waits for the response.
    ///
    /// # Errors
    /// Those of the query; the error of a lost connection after `limit`. The connection counts as
    /// silent then and must be dropped.
    pub async fn within<T>(self, limit: Duration, query: impl Future<Output = QueryResult<T>>) -> QueryResult<T> {
        if let Ok(response) = timeout(limit, query).await {
            return response;
        }
        if let Some(watch) = self.0 {
            watch.record_silence();
        }
        Err(lost(&format!("no response within {limit:?}")))
    }
}

/// Ties the watch to its [`AsyncPgConnection`], which has no other place for data of the
/// application.
struct WatchHandle {
    watch: Arc<Watch>,
    /// Dropped with the connection, which ends the driver.
    _in_use: oneshot::Sender<Infallible>,
}

impl Instrumentation for WatchHandle {
    fn on_connection_event(&mut self, _event: InstrumentationEvent<'_>) {}
}

fn watch_of(conn: &mut AsyncPgConnection) -> Option<Arc<Watch>> {
    conn.instrumentation().downcast_ref::<WatchHandle>().map(|handle| handle.watch.clone())
}
