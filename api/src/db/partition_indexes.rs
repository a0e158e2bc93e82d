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
    /// The name that the partition's own index gets.
    #[diesel(sql_type = Text)]
    own_name: String,
    /// `USING btree (…) WHERE …`
    #[diesel(sql_type = Text)]
    definition: String,
    #[diesel(sql_type = Bool)]
    is_empty: bool,
    /// An index of that name was left half-built.
    #[diesel(sql_type = Bool)]
    is_half_built: bool,
}

/// Builds what is missing. Returns how many indexes were built; nothing to do costs one query.
///
/// # Errors
/// When an index can't be built; those built before stay.
pub async fn complete(conn: &mut AsyncPgConnection) -> QueryResult<usize> {
    let missing: Vec<Missing> = sql("SELECT parent.relname::text AS index, part.relname::text AS partition, \
           left(part.relname || '_' || parent.relname, 63) AS own_name, \
           regexp_replace(pg_get_indexdef(x.indexrelid), '^.* (USING .*)$', '\\1') AS definition, pg_relation_size(part.oid) = 0 AS is_empty, \
           EXISTS (SELECT FROM pg_index h JOIN pg_class c ON c.oid = h.indexrelid \
                   WHERE h.indrelid = part.oid AND c.relname = left(part.relname || '_' || parent.relname, 63) AND NOT h.indisvalid) AS is_half_built \
         FROM pg_index x JOIN pg_class parent ON parent.oid = x.indexrelid AND parent.relkind = 'I' \
         JOIN pg_inherits i ON i.inhparent = x.indrelid JOIN pg_class part ON part.oid = i.inhrelid AND part.relkind = 'r' \
         WHERE NOT x.indisvalid AND NOT EXISTS (SELECT FROM pg_index own JOIN pg_inherits attached ON attached.inhrelid = own.indexrelid \
                                                WHERE own.indrelid = part.oid AND attached.inhparent = x.indexrelid) \
         ORDER BY 1, 2")
    .load(conn)
    .await?;
    for Missing { index, partition, own_name, definition, is_empty, is_half_built } in &missing {
        // Names and definitions come from the catalogue.
        if *is_half_built {
            conn.batch_execute(&format!("DROP INDEX CONCURRENTLY \"{own_name}\"")).await?;
        }
        let concurrently = if *is_empty { "" } else { "CONCURRENTLY" };
        conn.batch_execute(&format!("CREATE INDEX {concurrently} IF NOT EXISTS \"{own_name}\" ON \"{partition}\" {definition}")).await?;
        conn.batch_execute(&format!("ALTER INDEX \"{index}\" ATTACH PARTITION \"{own_name}\"")).await?;
        if !is_empty {
            tracing::info!(index, partition, "an index of a partition was built");
        }
    }
    Ok(missing.len())
}
