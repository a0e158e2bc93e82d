//! Opening connections, and dropping those over which nothing comes any more.
//!
//! tokio-postgres waits for an answer without end: when a network drops packets, a machine is frozen or a proxy stalls, the
//! connection looks alive and every query hangs. So each connection is watched at its stream of bytes, whoever uses it: when
//! an answer is due and nothing comes for longer than the server takes to give up by itself, the connection is dropped, and
//! its user gets the error of a connection that was lost.

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
use self::watch::{Session, Target, Watch, WatchedStream};
use super::sql;

/// The server's answer to a statement that it has ended because of its time limit has this long to come.
const MARGIN: Duration = Duration::from_secs(3);
/// An address has this long to take the connection, with everything that is said before the first query, unless the URL has a
/// `connect_timeout`.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// As [`CONNECT_LIMIT`], where there are others to be tried.
const CONNECT_LIMIT_OF_SEVERAL: Duration = Duration::from_secs(2);
/// Silence of a statement without a time limit after which the server is asked whether it still works on it.
const PATIENCE: Duration = Duration::from_secs(15);
/// After so much silence the server is asked whether it works on the answer, and again each time as much has passed.
const ASK_AFTER: Duration = Duration::from_secs(5);
/// A connection that has rested for longer is tried before it is used.
const TRY_AFTER: Duration = Duration::from_secs(5);
/// One that is tried has this long to answer; so has a server that is asked about another connection.
const TRY_LIMIT: Duration = Duration::from_secs(2);

/// How long a connection may be silent while an answer is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerLimit {
    /// The server ends statements after so many seconds; one that has not answered a little later never will.
    Seconds(u64),
    /// Statements may take as long as they take. After some silence the server is asked over another connection whether it
    /// still works on it.
    WhileWorking,
}

impl AnswerLimit {
    /// The limit of connections with a `statement_timeout`, in seconds; 0 is none.
    pub const fn of(statement_timeout_seconds: u64) -> Self {
        if statement_timeout_seconds == 0 { Self::WhileWorking } else { Self::Seconds(statement_timeout_seconds) }
    }

    fn silence(self) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds).saturating_add(MARGIN),
            Self::WhileWorking => PATIENCE,
        }
    }
}

/// Opens a connection: over the first of the URL's addresses that answers and, where there are several or the URL asks for it
/// (`target_session_attrs=read-write`), can be written.
///
/// # Errors
/// When no address leads to a server that takes the connection in time.
pub async fn open(url: &str, limit: AnswerLimit) -> ConnectionResult<AsyncPgConnection> {
    let config: Config = url.parse().map_err(|error: tokio_postgres::Error| ConnectionError::InvalidConnectionUrl(error.to_string()))?;
    let addresses = Address::all_of(&config);
    let attributes = match config.get_target_session_attrs() {
        TargetSessionAttrs::Any if addresses.len() > 1 => TargetSessionAttrs::ReadWrite,
        asked => asked,
    };
    let own_limit = if addresses.len() > 1 { CONNECT_LIMIT_OF_SEVERAL } else { CONNECT_LIMIT };
    let patience = config.get_connect_timeout().copied().unwrap_or(own_limit);
    let target = Target::of(url);
    let mut last = ConnectionError::InvalidConnectionUrl("it names no host".into());
    for (index, address) in target.last_good_first(&addresses) {
        match timeout(patience, open_at(address, &config, url, limit, attributes)).await {
            Ok(Ok(conn)) => {
                target.note_good(index);
                return Ok(conn);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = ConnectionError::BadConnection(format!("{address} did not answer within {patience:?}")),
        }
    }
    Err(last)
}

async fn open_at(
    address: &Address,
    config: &Config,
    url: &str,
    limit: AnswerLimit,
    attributes: TargetSessionAttrs,
) -> ConnectionResult<AsyncPgConnection> {
    let transport = address.connect(config).await.map_err(|error| ConnectionError::BadConnection(format!("{address}: {error}")))?;
    let watch = Arc::new(Watch::new(Target::of(url)));
    let is_started = Arc::new(AtomicBool::new(false));
    let stream = WatchedStream::new(transport, watch.clone(), is_started.clone());
    let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(|error| refused(&error))?;
    is_started.store(true, Relaxed);
    let (alive, gone) = oneshot::channel();
    tokio::spawn(drive(connection, watch.clone(), gone, url.to_owned(), limit.silence()));
    let mut conn = AsyncPgConnection::try_from(client).await?;
    conn.set_instrumentation(Handle { watch: watch.clone(), _alive: alive });
    if let Some(session) = session_of(&mut conn).await.map_err(ConnectionError::CouldntSetupConfiguration)? {
        watch.note_session(session);
    }
    if limit == AnswerLimit::WhileWorking {
        watch.be_patient(false);
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

/// What the server said instead of taking the connection.
fn refused(error: &tokio_postgres::Error) -> ConnectionError {
    ConnectionError::CouldntSetupConfiguration(match error.as_db_error() {
        Some(answer) => DbError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(answer.message().to_owned())),
        None => lost(&error.to_string()),
    })
}

/// The error of a connection that is gone.
fn lost(why: &str) -> DbError {
    DbError::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(why.to_owned()))
}

/// Moves the bytes until the connection ends, its user drops it, or nothing comes any more. Dropping it closes the socket,
/// and whoever waits for an answer gets an error.
async fn drive(
    mut connection: Connection<WatchedStream<Box<dyn Transport>>, NoTlsStream>,
    watch: Arc<Watch>,
    gone: oneshot::Receiver<Infallible>,
    url: String,
    limit: Duration,
) {
    let mut messages = stream::poll_fn(|cx| connection.poll_message(cx));
    let moved = async {
        while let Some(message) = messages.next().await {
            if let Err(error) = message {
                tracing::debug!(%error, "a database connection has ended");
                return;
            }
        }
    };
    tokio::select! {
        () = moved => {}
        _ = gone => {}
        silence = until_silent(&watch, &url, limit) => {
            watch.note_silence();
            tracing::warn!(seconds = silence.as_secs(), "a database connection is dropped: an answer is due, and nothing comes");
            if let Some(session) = watch.session() {
                tokio::spawn(ask_about(url, session));
            }
        }
    }
}

/// Waits until the connection is silent for longer than it may be: at the limit, and before it when the server says that it
/// does not work on an answer, so that the answer is lost, or never was asked for.
async fn until_silent(watch: &Watch, url: &str, limit: Duration) -> Duration {
    let interval = (limit / 4).min(Duration::from_secs(1));
    let suspicious = limit.min(ASK_AFTER);
    let mut is_long = false;
    let mut ask_at = ASK_AFTER;
    loop {
        sleep(interval).await;
        // Twice in a row: after a pause of this process the answer may be there, and only has to be read.
        let was_long = std::mem::replace(&mut is_long, watch.silence() > suspicious);
        if !(was_long && is_long) {
            ask_at = ASK_AFTER;
            continue;
        }
        let is_over = watch.silence() > limit;
        let mut is_working = None;
        if watch.silence() > ask_at || (is_over && watch.is_patient()) {
            is_working = ask_in_time(watch, url).await;
            ask_at = watch.silence() + ASK_AFTER;
        }
        // The answer may have come while the server was asked.
        let silence = watch.silence();
        match is_working {
            Some(true) if watch.is_patient() => watch.note_movement(),
            Some(false) if silence > suspicious => return silence,
            _ if is_over && silence > limit => return silence,
            _ => {}
        }
    }
}

async fn ask_in_time(watch: &Watch, url: &str) -> Option<bool> {
    let session = watch.session()?;
    timeout(TRY_LIMIT, ask_about(url.to_owned(), session)).await.ok().flatten()
}

/// Whether the server still works for a session from which nothing comes, or did a moment ago; `None` when it can't be asked. A
/// session that waits for its client in vain is ended, so that what it has locked becomes free. (Never one that works: it may be waiting for a
/// standby at its commit, and to end that would make a commit of it that the standby does not have.)
fn ask_about(url: String, session: Session) -> BoxFuture<'static, Option<bool>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_working: bool,
    }
    let ask = async move {
        let mut conn = open(&url, AnswerLimit::Seconds(1)).await.ok()?;
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
    ask.boxed()
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

/// Lets the statements of this transaction take as long as the server works on them: for those with `statement_timeout = 0`.
pub fn allow_long_statements(conn: &mut AsyncPgConnection) {
    if let Some(watch) = watch_of(conn) {
        watch.be_patient(true);
    }
}

/// Whether a connection that has rested can be used: it must not have been silent, nor be as old as one that was, nor lead to
/// a server that can't be written any more. After a longer rest it is asked for a word.
///
/// # Errors
/// When another connection is to be used.
pub async fn check_before_use(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let Some(watch) = watch_of(conn) else { return Ok(()) };
    if watch.is_unfit() {
        return Err(lost("the connection is not to be used again"));
    }
    if watch.rest() < TRY_AFTER {
        return Ok(());
    }
    ShortAnswer::over(conn).within(TRY_LIMIT, conn.batch_execute("SELECT 1")).await
}

/// For what is answered at once if at all: the connection counts as silent when it takes longer.
pub struct ShortAnswer(Option<Arc<Watch>>);

impl ShortAnswer {
    /// The connection that will be asked.
    pub fn over(conn: &mut AsyncPgConnection) -> Self {
        Self(watch_of(conn))
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// Those of the question; that of a lost connection when no answer came in time. Then it must not be used again.
    pub async fn within<T>(self, limit: Duration, answer: impl Future<Output = QueryResult<T>>) -> QueryResult<T> {
        if let Ok(answer) = timeout(limit, answer).await {
            return answer;
        }
        if let Some(watch) = self.0 {
            watch.note_silence();
        }
        Err(lost(&format!("no answer came within {limit:?}")))
    }
}

/// What ties an [`AsyncPgConnection`] to its watch, in the one place that diesel has for things of others. Goes with it.
struct Handle {
    watch: Arc<Watch>,
    /// Its end is how the driver learns that nobody uses the connection any more.
    _alive: oneshot::Sender<Infallible>,
}

impl Instrumentation for Handle {
    fn on_connection_event(&mut self, _event: InstrumentationEvent<'_>) {}
}

fn watch_of(conn: &mut AsyncPgConnection) -> Option<Arc<Watch>> {
    conn.instrumentation().downcast_ref::<Handle>().map(|handle| handle.watch.clone())
}
