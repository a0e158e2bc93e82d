//! Schema changes, embedded in the binary.

use std::time::Duration;

use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connect::{self, ResponseLimit};
use super::partition_indexes;
use super::sql;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations");

/// Any number that no other application on the database uses: it makes processes that start together wait for each other.
const ADVISORY_LOCK: i64 = 7_421_830_117;
/// How often a process that waits for another's migrations asks for the lock.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// Runs what has not run yet, under an advisory lock. Returns the names of the migrations that ran.
///
/// # Errors
/// When the database can't be reached or a migration fails; that migration is rolled back.
pub async fn run_pending(url: &str) -> anyhow::Result<Vec<String>> {
    let mut lock = lock(url).await?;
    let ran = with_harness(url, |harness| {
        let versions = harness.run_pending_migrations(MIGRATIONS).map_err(anyhow::Error::from_boxed)?;
        Ok(versions.iter().map(ToString::to_string).collect())
    })
    .await?;
    partition_indexes::complete(&mut lock).await?;
    Ok(ran)
}

/// Reverts every migration, newest first. Everything stored is lost: for tests of the down scripts.
///
/// # Errors
/// When the database can't be reached or a down script fails.
pub async fn revert_all(url: &str) -> anyhow::Result<()> {
    let _lock = lock(url).await?;
    with_harness(url, |harness| {
        harness.revert_all_migrations(MIGRATIONS).map_err(anyhow::Error::from_boxed)?;
        Ok(())
    })
    .await
}

/// Names of the migrations in this binary, in order.
///
/// # Errors
/// When the embedded folder is malformed (never in a binary that passed its tests).
pub fn names() -> anyhow::Result<Vec<String>> {
    let migrations: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS.migrations().map_err(anyhow::Error::from_boxed)?;
    Ok(migrations.iter().map(|migration| migration.name().to_string()).collect())
}

/// Waits until no other process migrates. The lock is the connection's and goes with it.
///
/// By asking again and again: a process that waited inside PostgreSQL would be in a transaction, which CREATE INDEX
/// CONCURRENTLY waits for in its turn.
async fn lock(url: &str) -> anyhow::Result<AsyncPgConnection> {
    #[derive(QueryableByName)]
    struct Lock {
        #[diesel(sql_type = Bool)]
        is_taken: bool,
    }
    let mut conn = connect::open(url, ResponseLimit::WhileServerWorks).await?;
    loop {
        let rows: Vec<Lock> = sql("SELECT pg_try_advisory_lock($1) AS is_taken").bind::<BigInt, _>(ADVISORY_LOCK).load(&mut conn).await?;
        if rows.iter().any(|lock| lock.is_taken) {
            return Ok(conn);
        }
        tokio::time::sleep(LOCK_INTERVAL).await;
    }
}

async fn with_harness<T: Send + 'static>(
    url: &str,
    act: impl FnOnce(&mut AsyncMigrationHarness<AsyncPgConnection>) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let conn = connect::open(url, ResponseLimit::WhileServerWorks).await?;
    // The harness blocks its thread, which is not allowed on one that drives other tasks.
    tokio::task::spawn_blocking(move || act(&mut AsyncMigrationHarness::new(conn))).await?
}
