//! Indexes of partitioned tables, built without locking writers out.
//!
//! PostgreSQL can't make an index CONCURRENTLY on a partitioned table. Migrations make it `ON ONLY` the table, which takes no
//! time; here every partition gets its own, CONCURRENTLY, and when the last one is attached the whole is valid.

use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::sql;

/// A partition that lacks an index of its table.
#[derive(QueryableByName)]
struct Missing {
    /// Of the partitioned table.
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

/// An index of a partition that is attached to none of its table.
#[derive(QueryableByName)]
struct Own {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    is_valid: bool,
}

/// Builds what is missing. Returns how many indexes were built or attached; nothing to do costs one query.
///
/// # Errors
/// When an index can't be built; those built before stay.
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
    // Names and definitions come from the catalogue.
    for Missing { index, partition, definition, is_empty } in &missing {
        for Own { name, .. } in unattached(conn, partition, definition).await?.iter().filter(|own| !own.is_valid) {
            conn.batch_execute(&format!("DROP INDEX CONCURRENTLY \"{name}\"")).await?;
        }
        if unattached(conn, partition, definition).await?.is_empty() {
            // PostgreSQL chooses the name, as it does for partitions to come.
            let concurrently = if *is_empty { "" } else { "CONCURRENTLY" };
            conn.batch_execute(&format!("CREATE INDEX {concurrently} ON \"{partition}\" {definition}")).await?;
            if !is_empty {
                tracing::info!(index, partition, "an index of a partition was built");
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
