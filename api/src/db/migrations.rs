//! Schema changes, embedded in the binary.

use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations");

/// Any number that no other application on the database uses: it makes processes that start together wait for each other.
const ADVISORY_LOCK: i64 = 7_421_830_117;

/// Runs what has not run yet, under an advisory lock. Returns the names of the migrations that ran.
///
/// # Errors
/// When the database can't be reached or a migration fails; that migration is rolled back.
pub async fn run_pending(url: &str) -> anyhow::Result<Vec<String>> {
    with_harness(url, |harness| {
        let versions = harness.run_pending_migrations(MIGRATIONS).map_err(anyhow::Error::from_boxed)?;
        Ok(versions.iter().map(ToString::to_string).collect())
    })
    .await
}

/// Reverts every migration, newest first. Everything stored is lost: for tests of the down scripts.
///
/// # Errors
/// When the database can't be reached or a down script fails.
pub async fn revert_all(url: &str) -> anyhow::Result<()> {
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

async fn with_harness<T: Send + 'static>(
    url: &str,
    act: impl FnOnce(&mut AsyncMigrationHarness<AsyncPgConnection>) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let mut conn = AsyncPgConnection::establish(url).await?;
    conn.batch_execute(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})")).await?;
    // The harness blocks its thread, which is not allowed on one that drives other tasks.
    // The lock is the connection's and goes with it.
    tokio::task::spawn_blocking(move || act(&mut AsyncMigrationHarness::new(conn))).await?
}
