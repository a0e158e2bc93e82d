//! Months of the audit log that are older than the retention go to a file each, and then from the database.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Months, NaiveDate, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Jsonb, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::config::Config;
use crate::db::sql::Counted;
use crate::db::{Pool, sql};

/// How often old months are looked for.
const INTERVAL: Duration = Duration::from_secs(6 * 60 * 60);
/// Rows read at a time.
const CHUNK: i64 = 5_000;
/// One process at a time does this.
const LOCK: i64 = 7_421_830_120;

/// Looks for old months until the task is aborted.
pub async fn keep_archiving(pool: Pool, config: Config) {
    if config.audit_retention_days == 0 {
        return;
    }
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = archive_old_months(&pool, &config, Utc::now()).await {
            tracing::error!(error = format!("{error:#}"), "old months of the audit log could not be archived");
        }
    }
}

/// How long the audit log is kept in the database, and where it goes then.
#[derive(Debug, Clone)]
pub struct Retention {
    /// 0 keeps everything.
    pub days: u32,
    /// Made when it is needed.
    pub folder: PathBuf,
}

impl Retention {
    /// As the settings say.
    pub fn of(days: u32, folder: Option<&Path>, data_dir: &Path) -> Self {
        Self { days, folder: folder.map_or_else(|| data_dir.join("audit-archive"), Path::to_owned) }
    }
}

/// Archives every month that ended before the retention began. Returns the files written.
///
/// # Errors
/// When a file can't be written or the database not be read; what was not archived is still in the database.
pub async fn archive_old_months(pool: &Pool, config: &Config, now: DateTime<Utc>) -> anyhow::Result<Vec<PathBuf>> {
    let retention = Retention::of(config.audit_retention_days, config.audit_archive_dir.as_deref(), &config.database.data_dir);
    archive(&mut *pool.get().await?, &retention, now).await
}

/// As [`archive_old_months`], over a connection at hand. Does nothing while another process is at it.
///
/// # Errors
/// As [`archive_old_months`].
pub async fn archive(conn: &mut AsyncPgConnection, retention: &Retention, now: DateTime<Utc>) -> anyhow::Result<Vec<PathBuf>> {
    #[derive(QueryableByName)]
    struct Free {
        #[diesel(sql_type = Bool)]
        is_free: bool,
    }
    let free: Vec<Free> = sql("SELECT pg_try_advisory_lock($1) AS is_free").bind::<BigInt, _>(LOCK).load(conn).await?;
    if !free.iter().any(|free| free.is_free) {
        return Ok(Vec::new());
    }
    let archived = archive_each(conn, retention, now).await;
    sql("SELECT pg_advisory_unlock($1)").bind::<BigInt, _>(LOCK).execute_on(conn).await?;
    archived
}

async fn archive_each(conn: &mut AsyncPgConnection, retention: &Retention, now: DateTime<Utc>) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for name in old_months(conn, retention, now).await? {
        let (file, rows) = write(conn, &name, &retention.folder).await?;
        let kept: Vec<Counted> = sql("SELECT drop_audit_partition($1) AS n").bind::<Text, _>(name.clone()).load(conn).await?;
        tracing::info!(month = name, file = %file.display(), rows, kept = kept.iter().map(|row| row.n).sum::<i64>(), "a month of the audit log was archived");
        files.push(file);
    }
    Ok(files)
}

/// Partitions of months that ended before the retention began.
///
/// # Errors
/// When the database can't be read.
pub async fn old_months(conn: &mut AsyncPgConnection, retention: &Retention, now: DateTime<Utc>) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = Text)]
        name: String,
    }
    if retention.days == 0 {
        return Ok(Vec::new());
    }
    let keep_from = (now - TimeDelta::days(retention.days.into())).date_naive();
    let names: Vec<Name> = sql("SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
                                WHERE i.inhparent = 'audit_logs'::regclass AND c.relname <> 'audit_logs_default' ORDER BY 1")
    .load(conn)
    .await?;
    Ok(names.into_iter().map(|Name { name }| name).filter(|name| end_of(name).is_some_and(|end| end <= keep_from)).collect())
}

/// Writes a month as NDJSON, under its name only when all of it is on disk.
async fn write(conn: &mut AsyncPgConnection, partition: &str, folder: &Path) -> anyhow::Result<(PathBuf, u64)> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Jsonb)]
        entry: Value,
    }
    tokio::fs::create_dir_all(folder).await.with_context(|| folder.display().to_string())?;
    let (path, unfinished) = (folder.join(format!("{partition}.ndjson")), folder.join(format!("{partition}.ndjson.unfinished")));
    let mut file = tokio::io::BufWriter::new(tokio::fs::File::create(&unfinished).await.with_context(|| unfinished.display().to_string())?);
    let (mut last, mut rows) = (Uuid::nil(), 0);
    // The name comes from the catalogue and has the form of a month.
    let query = format!("SELECT id, to_jsonb(l) AS entry FROM {partition} l WHERE id > $1 ORDER BY id LIMIT $2");
    loop {
        let chunk: Vec<Row> = sql(&query).bind::<SqlUuid, _>(last).bind::<BigInt, _>(CHUNK).load(conn).await?;
        let Some(end) = chunk.last().map(|row| row.id) else { break };
        last = end;
        for row in chunk {
            file.write_all(serde_json::to_string(&row.entry)?.as_bytes()).await?;
            file.write_all(b"\n").await?;
            rows += 1;
        }
    }
    file.flush().await?;
    file.into_inner().sync_all().await?;
    tokio::fs::rename(&unfinished, &path).await?;
    Ok((path, rows))
}

/// The day after the last of a month's partition, `audit_logs_YYYY_MM`.
fn end_of(partition: &str) -> Option<NaiveDate> {
    let (year, month) = partition.strip_prefix("audit_logs_")?.split_once('_')?;
    NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1)?.checked_add_months(Months::new(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        assert_eq!(end_of("audit_logs_2025_12"), NaiveDate::from_ymd_opt(2026, 1, 1));
        for other in ["audit_logs_default", "audit_logs_2025_13", "scans_2025_12", "audit_logs_x_y"] {
            assert_eq!(end_of(other), None, "{other}");
        }
    }
}
