//! Repairs and rebuilds indexes while the application is in use.

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use crate::db::sql;
use crate::db::sql::Counted;

/// An invalid index that no query uses.
#[derive(Debug, QueryableByName)]
pub struct Broken {
    #[diesel(sql_type = Text)]
    pub name: String,
}

impl Broken {
    /// Whether an interrupted rebuild left it: the new index half-built, or the old one not yet
    /// dropped.
    pub fn is_leftover(&self) -> bool {
        let stem = self.name.trim_end_matches(|c: char| c.is_ascii_digit());
        stem.ends_with("_ccnew") || stem.ends_with("_ccold")
    }
}

/// Invalid indexes that are not being built at the moment.
pub async fn broken(conn: &mut AsyncPgConnection) -> QueryResult<Vec<Broken>> {
    sql("SELECT c.relname::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i' \
         WHERE NOT i.indisvalid AND c.relnamespace = 'public'::regnamespace \
           AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.relid = i.indrelid) \
         ORDER BY 1")
    .load(conn)
    .await
}

/// Drops an index that a rebuild left, and rebuilds any other. Returns a description of the action.
pub async fn mend(conn: &mut AsyncPgConnection, index: &Broken) -> QueryResult<&'static str> {
    if index.is_leftover() {
        conn.batch_execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {}", quoted(&index.name))).await?;
        return Ok("dropped: an interrupted rebuild left it");
    }
    reindex(conn, &index.name).await?;
    Ok("rebuilt: it was invalid")
}

/// Rebuilds an index. Returns its new size in bytes.
pub async fn rebuild(conn: &mut AsyncPgConnection, name: &str) -> QueryResult<i64> {
    reindex(conn, name).await?;
    let rows: Vec<Counted> = sql("SELECT pg_relation_size($1::regclass) AS n").bind::<Text, _>(quoted(name)).load(conn).await?;
    Ok(rows.iter().map(|row| row.n).sum())
}

/// Never runs a plain REINDEX, which blocks all writers. If the rebuild is interrupted, this drops
/// the half-built index that it left.
async fn reindex(conn: &mut AsyncPgConnection, name: &str) -> QueryResult<()> {
    let known = leftovers(conn, name).await?;
    let rebuilt = conn.batch_execute(&format!("REINDEX INDEX CONCURRENTLY {}", quoted(name))).await;
    if rebuilt.is_err() {
        for leftover in leftovers(conn, name).await?.iter().filter(|name| !known.contains(name)) {
            conn.batch_execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {}", quoted(leftover))).await?;
        }
    }
    rebuilt
}

/// Invalid indexes that a rebuild left on the table of this index.
async fn leftovers(conn: &mut AsyncPgConnection, name: &str) -> QueryResult<Vec<String>> {
    let rows: Vec<Broken> = sql("SELECT c.relname::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         WHERE NOT i.indisvalid AND i.indrelid = (SELECT indrelid FROM pg_index WHERE indexrelid = $1::regclass)")
    .bind::<Text, _>(quoted(name))
    .load(conn)
    .await?;
    Ok(rows.into_iter().filter(Broken::is_leftover).map(|index| index.name).collect())
}

/// Quotes a name from the catalog as an identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rebuild_leaves_is_told_from_what_is_wanted() {
        for (name, is_leftover) in [("a_idx_ccnew", true), ("a_idx_ccnew12", true), ("a_idx_ccold", true), ("a_idx", false), ("a_ccnew_idx", false)] {
            assert_eq!(Broken { name: name.into() }.is_leftover(), is_leftover, "{name}");
        }
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
