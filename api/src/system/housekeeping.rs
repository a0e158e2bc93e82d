//! What has served its time is cleared away, by whichever process comes first.

use std::time::Duration;

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use crate::db::{Pool, sql};
use crate::error::Result;

/// How often.
pub const INTERVAL: Duration = Duration::from_secs(15 * 60);
/// Rows of one statement: a long delete would hold locks and bloat.
const CHUNK: usize = 5_000;

/// Statements that delete up to a chunk of what is no longer needed.
const SWEEPS: [(&str, &str); 7] = [
    ("idempotency_keys", "DELETE FROM idempotency_keys WHERE ctid IN (SELECT ctid FROM idempotency_keys WHERE expires_at < now() LIMIT 5000)"),
    (
        "sessions",
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < now() - interval '30 days' \
         OR revoked_at < now() - interval '30 days' LIMIT 5000)",
    ),
    (
        "password_resets",
        "DELETE FROM password_resets WHERE token_hash IN (SELECT token_hash FROM password_resets WHERE expires_at < now() - interval '1 day' LIMIT 5000)",
    ),
    (
        "failed_attempts",
        "DELETE FROM failed_attempts WHERE ctid IN (SELECT ctid FROM failed_attempts WHERE forget_at < now() LIMIT 5000 FOR UPDATE SKIP LOCKED)",
    ),
    ("jobs", "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE kind <> 'import' AND finished_at < now() - interval '30 days' LIMIT 5000)"),
    (
        "notifications",
        "DELETE FROM notifications WHERE id IN (SELECT id FROM notifications WHERE created_at < now() - interval '180 days' LIMIT 5000)",
    ),
    // Heartbeats of processes that have ended.
    ("write_heartbeats", "DELETE FROM write_heartbeats WHERE written_at < now() - interval '1 day'"),
];

/// Clears away everything that has served its time. Returns how many rows went.
///
/// # Errors
/// When the database can't be written.
pub async fn sweep(pool: &Pool) -> Result<usize> {
    let mut conn = pool.get().await?;
    // The summaries of full pages are written by whoever comes by; searches read what has none yet row by row.
    sql("SELECT summarize_audit_origins()").execute_on(&mut conn).await?;
    Ok(sweep_tables(&mut conn).await?)
}

/// As [`sweep`], over a connection at hand.
///
/// # Errors
/// When the database can't be written.
pub async fn sweep_tables(conn: &mut AsyncPgConnection) -> QueryResult<usize> {
    let mut gone = 0;
    for (table, statement) in SWEEPS {
        let removed = sweep_table(conn, statement).await?;
        if removed > 0 {
            tracing::info!(table, removed, "expired rows deleted");
        }
        gone += removed;
    }
    Ok(gone)
}

async fn sweep_table(conn: &mut AsyncPgConnection, statement: &str) -> QueryResult<usize> {
    let mut gone = 0;
    loop {
        let removed = sql(statement).execute_on(conn).await?;
        gone += removed;
        if removed < CHUNK {
            return Ok(gone);
        }
    }
}
