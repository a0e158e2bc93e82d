//! The pool of database connections of this process.

use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::pooled_connection::deadpool::{Object, Pool as DeadPool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, SetupCallback};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;

use super::connect::{self, ResponseLimit};
use crate::config::DatabaseConfig;

/// Connections to the primary, given out one request at a time.
pub type Pool = DeadPool<AsyncPgConnection>;
/// A connection on loan from the [`Pool`].
pub type Connection = Object<AsyncPgConnection>;

/// How long a request waits for a free connection before it is answered with 503.
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Limit for opening a connection: several addresses may have to be tried.
const CREATE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections of one process: 2 for each core and 1, which measured fastest, unless set.
pub fn pool_size(configured: usize) -> usize {
    if configured > 0 {
        return configured;
    }
    2 * std::thread::available_parallelism().map_or(2, usize::from) + 1
}

/// The server notices a closed or dead connection within seconds, so that the locks of lost
/// connections are released.
const DEAD_CLIENT_DETECTION: &str = "SET client_connection_check_interval = '2s'; SET tcp_user_timeout = '20s'; \
     SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3";

/// Makes the pool; connections are opened when first needed.
///
/// # Errors
/// When the pool can't be built (never for valid sizes).
pub fn create(url: &str, config: &DatabaseConfig) -> anyhow::Result<Pool> {
    let statement_timeout_seconds = config.statement_timeout_seconds;
    build(url, config, Box::new(move |url| connect(url.to_owned(), statement_timeout_seconds).boxed()))
}

/// As [`create`], of connections that can't write: to a replica.
///
/// # Errors
/// As [`create`].
pub fn create_read_only(url: &str, config: &DatabaseConfig) -> anyhow::Result<Pool> {
    let statement_timeout_seconds = config.statement_timeout_seconds;
    build(url, config, Box::new(move |url| connect_read_only(url.to_owned(), statement_timeout_seconds).boxed()))
}

fn build(url: &str, config: &DatabaseConfig, setup: SetupCallback<AsyncPgConnection>) -> anyhow::Result<Pool> {
    let mut manager_config = ManagerConfig::default();
    // A ping before every loan would double the round trips of a lookup. Broken and closed
    // connections are recognised without one; only those that were idle for seconds are tested.
    manager_config.recycling_method = RecyclingMethod::CustomFunction(Box::new(|conn| connect::check_before_use(conn).boxed()));
    manager_config.custom_setup = setup;
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(url, manager_config);
    Ok(DeadPool::builder(manager)
        .max_size(pool_size(config.database_pool_size))
        .wait_timeout(Some(WAIT_TIMEOUT))
        .create_timeout(Some(CREATE_TIMEOUT))
        .recycle_timeout(Some(WAIT_TIMEOUT))
        .runtime(deadpool::Runtime::Tokio1)
        .build()?)
}

/// Opens one connection as the application works: [`connect_as_owner`], and then as the role that can't change the audit
/// log, where the migrations could make it.
///
/// # Errors
/// As [`connect_as_owner`].
pub async fn connect(url: String, statement_timeout_seconds: u64) -> ConnectionResult<AsyncPgConnection> {
    let mut conn = connect_as_owner(url, statement_timeout_seconds).await?;
    conn.batch_execute("SELECT set_config('role', rolname, false) FROM pg_roles WHERE rolname = 'traitortrack_app' AND pg_has_role(oid, 'MEMBER')")
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// As [`connect()`], and every transaction is read only.
///
/// # Errors
/// As [`connect_as_owner`].
pub async fn connect_read_only(url: String, statement_timeout_seconds: u64) -> ConnectionResult<AsyncPgConnection> {
    let mut conn = connect(url, statement_timeout_seconds).await?;
    conn.batch_execute("SET default_transaction_read_only = on").await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Opens one connection with the time-outs that every connection of the application has: a statement
/// can't run for ever, a lock can't be waited for without end, and a forgotten transaction is ended by the server. And with
/// what the planner is to know of short queries on solid-state disks, so that plans are the tested ones on every server:
/// nothing runs in parallel (to start helpers takes longer than to read a page, and every core has requests of its own) nor
/// is compiled, and reading anywhere costs hardly more than reading on.
///
/// # Errors
/// When the database can't be reached or refuses the user.
pub async fn connect_as_owner(url: String, statement_timeout_seconds: u64) -> ConnectionResult<AsyncPgConnection> {
    let mut conn = connect::open(&url, ResponseLimit::of(statement_timeout_seconds)).await?;
    conn.batch_execute(&format!(
        "SET application_name = 'traitortrack'; SET TIME ZONE 'UTC'; SET statement_timeout = '{statement_timeout_seconds}s'; \
         SET max_parallel_workers_per_gather = 0; SET jit = off; SET random_page_cost = 1.1; \
         SET lock_timeout = '{}s'; SET idle_in_transaction_session_timeout = '{}s'; {DEAD_CLIENT_DETECTION}",
        statement_timeout_seconds.div_ceil(2),
        statement_timeout_seconds.max(10),
    ))
    .await
    .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}
