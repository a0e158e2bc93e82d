//! Reading and writing the tables of imports.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use chrono::Utc;
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::model::{ImportFormat, ImportKind, ImportMode, ImportProgress, ImportRecord};
use super::rules::RefusedRow;
use crate::audit::Actor;
use crate::db::sql;
use crate::error::Result;
use crate::jobs::model::JobStatus;

/// Bytes of a piece of a file.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Columns of an [`ImportRecord`]. A worker that died on its last try could not say that the import has failed; its
/// job does.
const SELECT: &str = "SELECT i.id, i.kind, i.mode, i.dry_run, \
     CASE WHEN i.finished_at IS NULL AND j.status = 'failed' THEN 'failed' ELSE i.status END AS status, \
     i.file_name, i.file_format, i.file_bytes, i.sheet, i.columns, i.rows_read, i.rows_accepted, i.rows_refused, \
     CASE WHEN i.finished_at IS NULL AND j.status = 'failed' THEN 'internal_error' ELSE i.error_code END AS error_code, \
     CASE WHEN i.finished_at IS NULL AND j.status = 'failed' THEN 'The work was cut off too often. Send the file again: rows that are in stay in.' \
          ELSE i.error END AS error, \
     i.created_by AS user_id, u.username AS created_by, i.ip, i.user_agent, i.request_id, i.api_key_id, i.created_at, \
     CASE WHEN i.finished_at IS NULL AND j.status = 'failed' THEN j.finished_at ELSE i.finished_at END AS finished_at \
     FROM imports i LEFT JOIN jobs j ON j.id = i.job_id LEFT JOIN users u ON u.id = i.created_by ";

/// The import with this id.
pub async fn find(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Option<ImportRecord>> {
    let rows: Vec<ImportRecord> = sql(SELECT).sql("WHERE i.id = $1").bind::<SqlUuid, _>(id).load(conn).await?;
    Ok(rows.into_iter().next())
}

/// Imports, newest first, older than the one with id `before`.
pub async fn list(conn: &mut AsyncPgConnection, before: Option<Uuid>, limit: i64) -> QueryResult<Vec<ImportRecord>> {
    sql(SELECT)
        .sql("WHERE i.id < $1 ORDER BY i.id DESC LIMIT $2")
        .bind::<SqlUuid, _>(before.unwrap_or(Uuid::max()))
        .bind::<BigInt, _>(limit)
        .load(conn)
        .await
}

/// An import to be.
pub struct NewImport<'a> {
    pub id: Uuid,
    pub kind: ImportKind,
    pub mode: ImportMode,
    pub dry_run: bool,
    pub file_name: &'a str,
    pub file_format: ImportFormat,
    pub file_bytes: u64,
    pub sheet: Option<String>,
    pub columns: Value,
    pub actor: &'a Actor,
}

/// Writes an import without its file.
pub async fn insert(conn: &mut AsyncPgConnection, import: &NewImport<'_>, job_id: Option<Uuid>) -> QueryResult<()> {
    sql("INSERT INTO imports (id, job_id, kind, mode, dry_run, file_name, file_format, file_bytes, columns, created_by, ip, user_agent, \
                              request_id, sheet, api_key_id) \
         VALUES ($1, $2, $3::text::import_kind, $4::text::import_mode, $5, $6, $7::text::import_format, $8, $9, $10, $11, $12, $13, $14, $15)")
    .bind::<SqlUuid, _>(import.id)
    .bind::<Nullable<SqlUuid>, _>(job_id)
    .bind::<Text, _>(import.kind.as_str())
    .bind::<Text, _>(import.mode.as_str())
    .bind::<Bool, _>(import.dry_run)
    .bind::<Text, _>(import.file_name.to_owned())
    .bind::<Text, _>(import.file_format.as_str())
    .bind::<BigInt, _>(i64::try_from(import.file_bytes).unwrap_or(i64::MAX))
    .bind::<Jsonb, _>(import.columns.clone())
    .bind::<Nullable<BigInt>, _>(import.actor.id)
    .bind::<Nullable<Text>, _>(import.actor.client.ip.clone())
    .bind::<Nullable<Text>, _>(import.actor.client.user_agent.clone())
    .bind::<Nullable<Text>, _>(import.actor.client.request_id.clone())
    .bind::<Nullable<Text>, _>(import.sheet.clone())
    .bind::<Nullable<BigInt>, _>(import.actor.client.api_key_id)
    .execute_on(conn)
    .await?;
    Ok(())
}

/// Puts a file into the database, piece by piece.
///
/// # Errors
/// When the file can't be read or the database not be written.
pub async fn store_file(conn: &mut AsyncPgConnection, id: Uuid, file: &Arc<File>, bytes: u64) -> Result<()> {
    let mut offset: u64 = 0;
    let mut n: i32 = 0;
    while offset < bytes {
        let source = file.clone();
        let read = move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            let mut length = 0;
            while length < CHUNK_BYTES {
                match source.read_at(&mut chunk[length..], offset + length as u64)? {
                    0 => break,
                    read => length += read,
                }
            }
            chunk.truncate(length);
            std::io::Result::Ok(chunk)
        };
        let chunk = tokio::task::spawn_blocking(read).await.map_err(anyhow::Error::from)?.map_err(anyhow::Error::from)?;
        if chunk.is_empty() {
            return Err(anyhow::anyhow!("the temporary file is shorter than it was").into());
        }
        offset += chunk.len() as u64;
        sql("INSERT INTO import_chunks (import_id, n, bytes) VALUES ($1, $2, $3)")
            .bind::<SqlUuid, _>(id)
            .bind::<Integer, _>(n)
            .bind::<Binary, _>(chunk)
            .execute_on(conn)
            .await?;
        n += 1;
    }
    Ok(())
}

/// Gets a file out of the database into a temporary one.
///
/// # Errors
/// When it is not there any more, or the disk is full.
pub async fn load_file(conn: &mut AsyncPgConnection, id: Uuid, bytes: i64) -> anyhow::Result<File> {
    #[derive(QueryableByName)]
    struct Chunk {
        #[diesel(sql_type = Binary)]
        bytes: Vec<u8>,
    }
    let mut file = tempfile::tempfile()?;
    let mut length: i64 = 0;
    for n in 0_i32.. {
        let rows: Vec<Chunk> =
            sql("SELECT bytes FROM import_chunks WHERE import_id = $1 AND n = $2").bind::<SqlUuid, _>(id).bind::<Integer, _>(n).load(conn).await?;
        let Some(chunk) = rows.into_iter().next() else { break };
        length += i64::try_from(chunk.bytes.len())?;
        file = tokio::task::spawn_blocking(move || file.write_all(&chunk.bytes).map(|()| file)).await??;
    }
    anyhow::ensure!(length == bytes, "the file of the import is incomplete: {length} of {bytes} bytes");
    Ok(file)
}

/// Begins the work, at the first row: also when another worker had begun it.
pub async fn restart(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<()> {
    sql("DELETE FROM import_errors WHERE import_id = $1").bind::<SqlUuid, _>(id).execute_on(conn).await?;
    sql("UPDATE imports SET status = 'running', rows_read = 0, rows_accepted = 0, rows_refused = 0, started_at = coalesce(started_at, now()) WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .execute_on(conn)
        .await?;
    Ok(())
}

/// Tells how far the work is.
pub async fn set_progress(conn: &mut AsyncPgConnection, id: Uuid, progress: ImportProgress) -> QueryResult<()> {
    sql("UPDATE imports SET rows_read = $2, rows_accepted = $3, rows_refused = $4 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<BigInt, _>(progress.rows_read)
        .bind::<BigInt, _>(progress.rows_accepted)
        .bind::<BigInt, _>(progress.rows_refused)
        .execute_on(conn)
        .await?;
    Ok(())
}

/// Ends the work; the file is not needed any more.
pub async fn finish(conn: &mut AsyncPgConnection, id: Uuid, status: JobStatus, error: Option<(&str, &str)>) -> QueryResult<()> {
    sql("UPDATE imports SET status = $2::text::job_status, error_code = $3, error = $4, finished_at = $5 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Text, _>(status.as_str())
        .bind::<Nullable<Text>, _>(error.map(|(code, _)| code.to_owned()))
        .bind::<Nullable<Text>, _>(error.map(|(_, detail)| detail.to_owned()))
        .bind::<Timestamptz, _>(Utc::now())
        .execute_on(conn)
        .await?;
    sql("DELETE FROM import_chunks WHERE import_id = $1").bind::<SqlUuid, _>(id).execute_on(conn).await?;
    Ok(())
}

/// Notes refused rows.
pub async fn insert_errors(conn: &mut AsyncPgConnection, id: Uuid, rows: &[RefusedRow]) -> QueryResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    // An array of arrays of unequal lengths can't be said in SQL: each row's cells go as JSON.
    sql("INSERT INTO import_errors (import_id, line, cells, code, reason) \
         SELECT $1, n.line, ARRAY(SELECT jsonb_array_elements_text(n.cells)), n.code, n.reason \
         FROM unnest($2, $3, $4, $5) AS n (line, cells, code, reason) ON CONFLICT (import_id, line) DO NOTHING")
    .bind::<SqlUuid, _>(id)
    .bind::<Array<BigInt>, _>(rows.iter().map(|row| row.line).collect::<Vec<_>>())
    .bind::<Array<Jsonb>, _>(rows.iter().map(|row| Value::from(row.cells.clone())).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.code.clone()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.reason.clone()).collect::<Vec<_>>())
    .execute_on(conn)
    .await?;
    Ok(())
}

/// A refused row as it is kept.
#[derive(Debug, QueryableByName)]
pub struct StoredError {
    #[diesel(sql_type = BigInt)]
    pub line: i64,
    #[diesel(sql_type = Array<Text>)]
    pub cells: Vec<String>,
    #[diesel(sql_type = Text)]
    pub code: String,
    #[diesel(sql_type = Text)]
    pub reason: String,
}

/// Refused rows by line, after the given one.
pub async fn errors(conn: &mut AsyncPgConnection, id: Uuid, after: i64, limit: i64) -> QueryResult<Vec<StoredError>> {
    sql("SELECT line, cells, code, reason FROM import_errors WHERE import_id = $1 AND line > $2 ORDER BY line LIMIT $3")
        .bind::<SqlUuid, _>(id)
        .bind::<BigInt, _>(after)
        .bind::<BigInt, _>(limit)
        .load(conn)
        .await
}

/// How many rows of an import are refused.
pub async fn count_errors(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let rows: Vec<Count> = sql("SELECT count(*) AS n FROM import_errors WHERE import_id = $1").bind::<SqlUuid, _>(id).load(conn).await?;
    Ok(rows.iter().map(|row| row.n).sum())
}
