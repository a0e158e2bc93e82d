//! `api maintenance`: what keeps a database fit, done on a live system.
//!
//! Owns no table. Knows the parts that do the work: partitions, retention, housekeeping, indexes.

mod indexes;

use std::fmt;
use std::time::Duration;

use chrono::Utc;
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use crate::audit::retention::{self, Retention};
use crate::db::partitions::PartitionFigures;
use crate::db::{index_report, partition_indexes, partitions, sql};
use crate::system::housekeeping;

/// One run at a time on a database.
const LOCK: i64 = 7_421_830_133;
/// A lock that others hold for longer is given up: what waits for a lock makes everybody wait who comes after it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Debug)]
pub struct Options {
    pub retention: Retention,
    /// Tell what would be done, and change nothing.
    pub is_dry_run: bool,
    /// Tell how indexes and partitions are, and change nothing.
    pub is_report_only: bool,
}

/// Why a run ended with something left undone.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    #[error("maintenance of this database is already running; nothing was done")]
    UnderWay,
    #[error("{failed} of {steps} steps failed; the others succeeded. Run the command again at any time")]
    Incomplete { failed: usize, steps: usize },
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
}

/// Does it all, step by step, and says each in a line. A step that fails does not keep the others from being done.
///
/// # Errors
/// [`MaintenanceError::UnderWay`] when another run is at it; [`MaintenanceError::Incomplete`] when a step failed.
pub async fn run(conn: &mut AsyncPgConnection, options: &Options, say: impl Fn(&str)) -> Result<(), MaintenanceError> {
    if options.is_report_only {
        return Ok(report(conn, &say).await?);
    }
    if !take_lock(conn).await? {
        return Err(MaintenanceError::UnderWay);
    }
    let mut steps = Steps { say: &say, done: 0, failed: 0 };
    let prepared = conn.batch_execute(&format!("SET lock_timeout = '{}s'", LOCK_TIMEOUT.as_secs())).await;
    if prepared.is_ok() {
        if options.is_dry_run { plan(conn, options, &mut steps).await } else { work(conn, options, &mut steps).await }
    }
    conn.batch_execute(&format!("SELECT pg_advisory_unlock({LOCK})")).await?;
    prepared?;
    let Steps { done, failed, .. } = steps;
    if failed > 0 { Err(MaintenanceError::Incomplete { failed, steps: done + failed }) } else { Ok(()) }
}

async fn take_lock(conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Lock {
        #[diesel(sql_type = Bool)]
        is_taken: bool,
    }
    let rows: Vec<Lock> = sql("SELECT pg_try_advisory_lock($1) AS is_taken").bind::<BigInt, _>(LOCK).load(conn).await?;
    Ok(rows.iter().any(|lock| lock.is_taken))
}

/// Tells what came of each step, and counts.
struct Steps<'a> {
    say: &'a dyn Fn(&str),
    done: usize,
    failed: usize,
}

impl Steps<'_> {
    fn tell(&mut self, name: &str, outcome: Result<String, impl fmt::Display>) {
        match outcome {
            Ok(done) => {
                self.done += 1;
                (self.say)(&format!("{name}: {done}"));
            }
            Err(error) => {
                self.failed += 1;
                (self.say)(&format!("{name}: FAILED: {error}"));
            }
        }
    }
}

async fn work(conn: &mut AsyncPgConnection, options: &Options, steps: &mut Steps<'_>) {
    steps.tell("partitions", ensure_partitions(conn).await);
    let archived = retention::archive(conn, &options.retention, Utc::now()).await;
    steps.tell("audit log", archived.map(|archived| archived.to_string()).map_err(|error| format!("{error:#}")));
    steps.tell("housekeeping", housekeeping::sweep_tables(conn).await.map(|gone| format!("{gone} expired rows deleted")));
    steps.tell("statistics", conn.batch_execute("ANALYZE").await.map(|()| "every table analysed".to_owned()));
    steps.tell("summaries", conn.batch_execute("SELECT summarize_audit_origins()").await.map(|()| "up to date".to_owned()));
    steps.tell("indexes of partitions", partition_indexes::complete(conn).await.map(|built| format!("{built} built")));
    let broken = match indexes::broken(conn).await {
        Ok(broken) => broken,
        Err(error) => return steps.tell("indexes", Err::<String, _>(error)),
    };
    for index in broken {
        let mended = indexes::mend(conn, &index).await.map(str::to_owned);
        steps.tell(&format!("index {}", index.name), mended);
    }
    match index_report::findings(conn).await {
        Ok(found) => {
            let bloated: Vec<_> = found.into_iter().filter(|index| index.finding == "bloated").collect();
            if bloated.is_empty() {
                steps.tell("indexes", Ok::<_, String>("none is bloated".to_owned()));
            }
            for index in bloated {
                let rebuilt = indexes::rebuild(conn, &index.name).await;
                let told = rebuilt.map(|size| format!("rebuilt: {} instead of {}", megabytes(size), megabytes(index.size_bytes)));
                steps.tell(&format!("index {}", index.name), told);
            }
        }
        Err(error) => steps.tell("indexes", Err::<String, _>(error)),
    }
}

async fn ensure_partitions(conn: &mut AsyncPgConnection) -> Result<String, String> {
    let ensured = partitions::ensure(conn).await.map_err(|error| error.to_string())?;
    let moved = match ensured.moved {
        0 => String::new(),
        moved => format!(", {moved} rows moved into them from the default partition"),
    };
    let done = format!("{} created{moved}", ensured.made);
    if ensured.failures.is_empty() { Ok(done) } else { Err(format!("{}; {done}", ensured.failures.join("; "))) }
}

/// As [`work`], in words alone.
async fn plan(conn: &mut AsyncPgConnection, options: &Options, steps: &mut Steps<'_>) {
    let ahead = partitions::figures(conn).await.map(|all| {
        let moves = |figures: &PartitionFigures| if figures.is_default_used { " and rows to move from the default partition" } else { "" };
        let each = all.iter().map(|figures| format!("{} has {} months ahead{}", figures.table, figures.months_ahead, moves(figures)));
        format!("would create missing partitions of the next 3 months: {}", each.collect::<Vec<_>>().join(", "))
    });
    steps.tell("partitions", ahead);
    let old = retention::old_months(conn, &options.retention, Utc::now()).await.map(|months| {
        let names: Vec<String> = months.iter().map(ToString::to_string).collect();
        if names.is_empty() { "no month is old enough to be archived".to_owned() } else { format!("would archive {}", names.join(", ")) }
    });
    steps.tell("audit log", old);
    steps.tell("housekeeping", Ok::<_, String>("would delete expired rows".to_owned()));
    steps.tell("statistics", Ok::<_, String>("would analyse every table".to_owned()));
    steps.tell("summaries", Ok::<_, String>("would bring them up to date".to_owned()));
    match indexes::broken(conn).await {
        Ok(broken) => {
            for index in broken {
                let does = if index.is_leftover() { "would drop it: left by an interrupted rebuild" } else { "would rebuild it: it is invalid" };
                steps.tell(&format!("index {}", index.name), Ok::<_, String>(does.to_owned()));
            }
        }
        Err(error) => steps.tell("indexes", Err::<String, _>(error)),
    }
    match index_report::findings(conn).await {
        Ok(found) => {
            for index in found.iter().filter(|index| index.finding == "bloated") {
                let wasted = megabytes(index.wasted_bytes.unwrap_or_default());
                let told = format!("would rebuild it: about {wasted} of {} are empty", megabytes(index.size_bytes));
                steps.tell(&format!("index {}", index.name), Ok::<_, String>(told));
            }
        }
        Err(error) => steps.tell("indexes", Err::<String, _>(error)),
    }
}

/// How partitions and indexes are.
async fn report(conn: &mut AsyncPgConnection, say: &impl Fn(&str)) -> QueryResult<()> {
    for figures in partitions::figures(conn).await? {
        let default = if figures.is_default_used {
            "; ROWS IN THE DEFAULT PARTITION: a monthly partition was missing; `api maintenance` creates it and moves the rows"
        } else {
            ""
        };
        say(&format!("partitions of {}: {} months ahead{default}", figures.table, figures.months_ahead));
    }
    let found = index_report::findings(conn).await?;
    if found.is_empty() {
        say("indexes: none is unused, duplicate, bloated or invalid");
    }
    for index in found {
        let more = match (&*index.finding, &index.covered_by, index.wasted_bytes) {
            ("duplicate", Some(other), _) => format!(", {other} does its work"),
            ("bloated", _, Some(wasted)) => format!(", about {} empty", megabytes(wasted)),
            _ => String::new(),
        };
        let size = megabytes(index.size_bytes);
        say(&format!("index {} of {}: {} ({size}, used {} times{more})", index.name, index.table, index.finding, index.scans));
    }
    #[derive(QueryableByName)]
    struct Since {
        #[diesel(sql_type = Text)]
        since: String,
    }
    let since: Vec<Since> =
        sql("SELECT coalesce(to_char(stats_reset, 'YYYY-MM-DD HH24:MI'), 'the beginning') AS since FROM pg_stat_database WHERE datname = current_database()")
            .load(conn)
            .await?;
    for Since { since } in since {
        say(&format!("uses are counted since {since}"));
    }
    Ok(())
}

/// Bytes as people read them (MB of 10⁶ bytes).
fn megabytes(bytes: i64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
