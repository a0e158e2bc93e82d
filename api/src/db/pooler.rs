//! Recognising a connection pooler that would break the application.

use diesel::result::Error as DbError;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

use super::connect::{self, ResponseLimit};

/// What to do about a pooler in transaction mode.
pub const REFUSED: &str = "DATABASE_URL leads to a connection pooler in transaction mode (PgBouncer: pool_mode). There the role, the time-outs \
     and the prepared statements of one connection end up with another. Set pool_mode=session, or name the address of PostgreSQL itself";

/// In seconds; these statements return at once.
const LIMIT: ResponseLimit = ResponseLimit::Seconds(10);
/// What the check says when it has seen it.
const SEEN: &str = "connections are shared";

/// Whether connections to this address share those of the server, transaction by transaction. A pooler in session mode, or
/// none, gives each its own.
///
/// # Errors
/// When the database can't be reached.
pub async fn shares_transactions(url: &str) -> anyhow::Result<bool> {
    let mut resting = connect::open(url, LIMIT).await?;
    resting.batch_execute("SET traitortrack.is_resting = 'yes'").await?;
    let mut busy = connect::open(url, LIMIT).await?;
    // A pooler has one connection that rests now, gives it to this transaction, and has to give another to the next.
    busy.batch_execute("BEGIN").await?;
    let is_shared = saw(&mut busy, "=").await? || saw(&mut resting, "<>").await?;
    busy.batch_execute("ROLLBACK").await?;
    if is_shared {
        // Whichever of them has it.
        busy.batch_execute("RESET traitortrack.is_resting").await?;
    }
    Ok(is_shared)
}

/// Whether the setting compares like this. Told by an error, because statements with an answer are prepared, and those that
/// are prepared get lost in such a pooler.
async fn saw(conn: &mut AsyncPgConnection, comparison: &str) -> anyhow::Result<bool> {
    let check = format!(
        "DO $$ BEGIN IF coalesce(current_setting('traitortrack.is_resting', true), '') {comparison} 'yes' THEN RAISE EXCEPTION '{SEEN}'; END IF; END $$"
    );
    match conn.batch_execute(&check).await {
        Ok(()) => Ok(false),
        Err(DbError::DatabaseError(_, told)) if told.message() == SEEN => Ok(true),
        Err(error) => Err(error.into()),
    }
}
