//! Months of the audit log that are older than the retention go to a file each, and then from the
//! database.
//!
//! A month is one transaction: nothing is written to it while its file is written, brought to disk,
//! counted against the rows and named; the commit then drops the partition and records the file.
//! Cut off at any point, all of the month is still in the database, and the next run begins again.
//! A recorded month is not created again. Entries that come for it later are in the default
//! partition, and go to a further file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Date, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde_json::Value;
use uuid::Uuid;

use super::archive_file::{ArchiveFile, ClosedFile};
use crate::config::Config;
use crate::config::retention::MAX_DAYS;
use crate::db::sql::Counted;
use crate::db::{Pool, sql};

/// How often old months are looked for.
pub const INTERVAL: Duration = Duration::from_secs(6 * 60 * 60);
/// Rows read at a time.
const CHUNK: i64 = 5_000;
/// One process at a time does this.
const LOCK: i64 = 7_421_830_120;

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

    /// The moment before which entries are old; `None` when everything is kept.
    fn keep_from(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.days == 0 { None } else { now.checked_sub_signed(TimeDelta::days(self.days.into())) }
    }
}

/// What a run did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// The files written, one for each month.
    pub files: Vec<PathBuf>,
    /// Another process is archiving at this moment, so what is left was left to it.
    pub is_busy: bool,
}

impl fmt::Display for Archived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        match (names.is_empty(), self.is_busy) {
            (true, true) => f.write_str("another process is archiving at the moment"),
            (true, false) => f.write_str("no month is old enough to be archived"),
            (false, _) => write!(f, "archived to {}", names.join(", ")),
        }
    }
}

/// Archives every month that ended before the retention began. Returns the files written.
///
/// # Errors
/// When a file can't be written or the database not be read; what was not archived is still in the
/// database.
pub async fn archive_old_months(pool: &Pool, config: &Config, now: DateTime<Utc>) -> anyhow::Result<Vec<PathBuf>> {
    let retention = Retention::of(config.audit_retention_days, config.audit_archive_dir.as_deref(), &config.database.data_dir);
    Ok(archive(&mut *pool.get().await?, &retention, now).await?.files)
}

/// As [`archive_old_months`], over a connection at hand. What another process is archiving is left
/// to that.
///
/// # Errors
/// As [`archive_old_months`].
pub async fn archive(conn: &mut AsyncPgConnection, retention: &Retention, now: DateTime<Utc>) -> anyhow::Result<Archived> {
    let mut archived = Archived::default();
    loop {
        match conn.transaction(async |conn| archive_next(conn, retention, now).await).await? {
            Step::Done(file) => archived.files.extend(file),
            Step::Nothing => return Ok(archived),
            Step::Busy => return Ok(Archived { is_busy: true, ..archived }),
        }
    }
}

/// What a transaction did.
enum Step {
    /// A month was archived; without a file when it had no entries.
    Done(Option<PathBuf>),
    Nothing,
    Busy,
}

async fn archive_next(conn: &mut AsyncPgConnection, retention: &Retention, now: DateTime<Utc>) -> anyhow::Result<Step> {
    #[derive(QueryableByName)]
    struct Free {
        #[diesel(sql_type = Bool)]
        is_free: bool,
    }
    let free: Vec<Free> = sql("SELECT pg_try_advisory_xact_lock($1) AS is_free").bind::<BigInt, _>(LOCK).load(conn).await?;
    if !free.iter().any(|free| free.is_free) {
        return Ok(Step::Busy);
    }
    let Some(month) = old_months(conn, retention, now).await?.into_iter().next() else { return Ok(Step::Nothing) };
    // The transaction is idle while the file goes to disk.
    conn.batch_execute("SET LOCAL idle_in_transaction_session_timeout = '10min'").await?;
    sql("SELECT lock_audit_month($1)").bind::<Date, _>(month.first_day).execute_on(conn).await?;
    let mut file = ArchiveFile::create(&retention.folder, &month.name()).await?;
    copy(conn, &month, &mut file).await?;
    let file = file.close().await?;
    let path = file.as_ref().map(|file| file.path().display().to_string());
    let rows = i64::try_from(file.as_ref().map_or(0, ClosedFile::lines))?;
    let kept: Vec<Counted> = sql("SELECT finish_audit_archive($1, $2, $3) AS n")
        .bind::<Date, _>(month.first_day)
        .bind::<Nullable<Text>, _>(path.clone())
        .bind::<BigInt, _>(rows)
        .load(conn)
        .await?;
    // Counted and locked: now the file gets its name. The partition is gone only with the commit
    // that follows.
    let published = match file {
        Some(file) => Some(file.publish().await?),
        None => None,
    };
    let kept = kept.iter().map(|row| row.n).sum::<i64>();
    tracing::info!(month = month.name(), file = path, rows, kept, "a month of the audit log was archived");
    Ok(Step::Done(published))
}

/// A month of the audit log that is to be archived.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct OldMonth {
    #[diesel(sql_type = Date)]
    first_day: NaiveDate,
    /// Archived before: these are the entries that came later.
    #[diesel(sql_type = Bool)]
    is_late: bool,
}

impl OldMonth {
    /// The name of its partition, and of its file.
    fn name(&self) -> String {
        self.first_day.format("audit_logs_%Y_%m").to_string()
    }
}

impl fmt::Display for OldMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_late { "late entries of " } else { "" }, self.name())
    }
}

/// Months that ended before the retention began and have a partition, and those that have late
/// entries; the oldest first. By the clock that is behind, where this process and the database have
/// two: what is too early is gone.
///
/// # Errors
/// When the database can't be read.
pub async fn old_months(conn: &mut AsyncPgConnection, retention: &Retention, now: DateTime<Utc>) -> QueryResult<Vec<OldMonth>> {
    let Some(keep_from) = retention.keep_from(now) else { return Ok(Vec::new()) };
    sql("WITH limits AS (SELECT least($1, now() - make_interval(days => $2::int)) AS keep_from) \
         SELECT m.first_day, m.is_late FROM ( \
           SELECT to_date(substring(c.relname FROM '^audit_logs_([0-9]{4}_(?:0[1-9]|1[0-2]))$'), 'YYYY_MM') AS first_day, false AS is_late \
           FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'audit_logs'::regclass \
           UNION ALL \
           SELECT d.month, true FROM months_in_default_partition('audit_logs') AS d (month) \
           WHERE EXISTS (SELECT FROM audit_archives a WHERE a.month = d.month) \
             AND EXISTS (SELECT FROM audit_logs_default l \
                         WHERE l.id >= uuidv7_floor(month_start(d.month)) AND l.id < uuidv7_floor(month_start(month_after(d.month))) \
                           AND NOT is_permanent_audit_action(l.action)) \
         ) AS m, limits \
         WHERE month_start(month_after(m.first_day)) <= limits.keep_from \
           AND (m.is_late OR month_partition('audit_logs', m.first_day) IS NOT NULL) \
         ORDER BY m.first_day, m.is_late")
    .bind::<Timestamptz, _>(keep_from)
    .bind::<BigInt, _>(i64::from(retention.days.min(MAX_DAYS)))
    .load(conn)
    .await
}

/// Writes the entries of a month that this transaction holds, one JSON object a line.
async fn copy(conn: &mut AsyncPgConnection, month: &OldMonth, file: &mut ArchiveFile) -> anyhow::Result<()> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Jsonb)]
        entry: Value,
    }
    let partition = if month.is_late { "audit_logs_default".to_owned() } else { month.name() };
    // What stays for ever is in the file of its month, and has no need of a further one.
    let filter = if month.is_late { "AND NOT is_permanent_audit_action(action)" } else { "" };
    // The name is made of a date.
    let query = format!(
        "SELECT id, to_jsonb(l) AS entry FROM {partition} l \
         WHERE id > $1 AND id >= uuidv7_floor(month_start($2)) AND id < uuidv7_floor(month_start(month_after($2))) {filter} ORDER BY id LIMIT $3"
    );
    let mut last = Uuid::nil();
    loop {
        let chunk: Vec<Row> = sql(&query).bind::<SqlUuid, _>(last).bind::<Date, _>(month.first_day).bind::<BigInt, _>(CHUNK).load(conn).await?;
        let Some(end) = chunk.last().map(|row| row.id) else { return Ok(()) };
        last = end;
        for row in chunk {
            file.append(&serde_json::to_string(&row.entry)?).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_days_overflows() {
        let retention = |days| Retention { days, folder: PathBuf::new() };
        assert_eq!(retention(0).keep_from(Utc::now()), None);
        assert!(retention(1).keep_from(Utc::now()).is_some());
        assert_eq!(retention(u32::MAX).keep_from(Utc::now()), None, "nothing is that old");
    }
}
