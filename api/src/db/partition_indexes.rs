//! Indexes of partitioned tables, built without blocking writers.
//!
//! PostgreSQL can't create an index CONCURRENTLY on a partitioned table. Migrations create it
//! `ON ONLY` the table, which takes no time. This module then builds an index CONCURRENTLY on every
//! partition. The whole index becomes valid when the last one is attached.

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::sql;

/// A partition that lacks an index of its table.
#[derive(QueryableByName)]
struct Missing {
    /// Index of the partitioned table.
    #[diesel(sql_type = Text)]
    index: String,
    #[diesel(sql_type = Text)]
    partition: String,
    /// `USING btree (…) WHERE …`
    #[diesel(sql_type = Text)]
    definition: String,
    #[diesel(sql_type = Bool)]
    is_empty: bool,
}

/// An index of a partition that is not attached to an index of its table.
#[derive(QueryableByName)]
struct Own {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    is_valid: bool,
}

/// Builds the missing indexes. Returns how many were built or attached. If none is missing, this
/// costs one query.
///
/// # Errors
/// Fails if an index can't be built; those built before remain.
pub async fn complete(conn: &mut AsyncPgConnection) -> QueryResult<usize> {
    let missing: Vec<Missing> = sql("SELECT parent.relname::text AS index, part.relname::text AS partition, \
           regexp_replace(pg_get_indexdef(x.indexrelid), '^.* (USING .*)$', '\\1') AS definition, pg_relation_size(part.oid) = 0 AS is_empty \
         FROM pg_index x JOIN pg_class parent ON parent.oid = x.indexrelid AND parent.relkind = 'I' \
         JOIN pg_inherits i ON i.inhparent = x.indrelid JOIN pg_class part ON part.oid = i.inhrelid AND part.relkind = 'r' \
         WHERE NOT x.indisvalid AND NOT EXISTS (SELECT FROM pg_index own JOIN pg_inherits attached ON attached.inhrelid = own.indexrelid \
                                                WHERE own.indrelid = part.oid AND attached.inhparent = x.indexrelid) \
         ORDER BY 1, 2")
    .load(conn)
    .await?;
    // Names and definitions come from the catalog.
    for Missing { index, partition, definition, is_empty } in &missing {
        for Own { name, .. } in unattached(conn, partition, definition).await?.iter().filter(|own| !own.is_valid) {
            conn.batch_execute(&format!("DROP INDEX CONCURRENTLY \"{name}\"")).await?;
        }
        if unattached(conn, partition, definition).await?.is_empty() {
            // PostgreSQL chooses the name, as it does for future partitions.
            let concurrently = if *is_empty { "" } else { "CONCURRENTLY" };
            conn.batch_execute(&format!("CREATE INDEX {concurrently} ON \"{partition}\" {definition}")).await?;
            if !is_empty {
                tracing::info!(index, partition, "built an index of a partition");
            }
        }
        for Own { name, .. } in unattached(conn, partition, definition).await?.iter().take(1) {
            conn.batch_execute(&format!("ALTER INDEX \"{index}\" ATTACH PARTITION \"{name}\"")).await?;
        }
    }
    Ok(missing.len())
}

async fn unattached(conn: &mut AsyncPgConnection, partition: &str, definition: &str) -> QueryResult<Vec<Own>> {
    sql("SELECT c.relname::text AS name, i.indisvalid AS is_valid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         WHERE i.indrelid = quote_ident($1)::regclass AND NOT EXISTS (SELECT FROM pg_inherits a WHERE a.inhrelid = i.indexrelid) \
           AND regexp_replace(pg_get_indexdef(i.indexrelid), '^.* (USING .*)$', '\\1') = $2 ORDER BY i.indexrelid")
    .bind::<Text, _>(partition)
    .bind::<Text, _>(definition)
    .load(conn)
    .await
}
