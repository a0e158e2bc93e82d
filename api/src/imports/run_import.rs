//! The work of an import, as a job: done by any process, and again from the first row when one dies over it.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use actix_web::web;
use anyhow::anyhow;
use chrono::SubsecRound;
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{Integer, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection, TransactionManager};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::columns::{Column, Columns};
use super::model::{ImportKind, ImportMode, ImportProgress, ImportRecord};
use super::read_rows::{self, RawRow};
use super::rules::{BagRow, RefusedRow, Rules};
use super::write_rows::{self, Scanning, checked};
use super::{as_one, queries};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::bag_formats::qr_code::BagFormats;
use crate::bags::kept_bags::KeptBags;
use crate::cache::Person;
use crate::db::transaction::{Abort, is_worth_retrying, jitter};
use crate::db::{Connection, sql};
use crate::error::{Error, ErrorCode};
use crate::identity::Caller;
use crate::identity::caller::Credential;
use crate::identity::client::Client;
use crate::identity::{Role, UserId};
use crate::jobs::model::JobStatus;
use crate::jobs::{BackgroundJob, JobContext, JobError, JobRegistry};
use crate::scans::record_scans::ScanWriter;
use crate::scans::rules::ScannedBy;
use crate::state::AppState;
use crate::users;

type Manager = <AsyncPgConnection as AsyncConnection>::TransactionManager;

/// Bags written in one transaction: more hardly go faster, and hold what they lock for longer.
const BAGS_AT_ONCE: usize = 2_000;
/// Links handed to the scan writer at once; packers wait behind them.
const LINKS_AT_ONCE: usize = 500;
/// The commit need not wait for the disk: after a crash the import is done again from its first row, and the commit of
/// its end, which does wait, makes all before it durable too.
const COMMIT_EARLY: &str = "SET LOCAL synchronous_commit = off";

/// A batch that collides with somebody else's is tried this often in all.
const TRIES: u32 = 5;

/// The job that imports a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportJob {
    pub import_id: Uuid,
}

/// Adds the jobs of this feature.
pub fn register_jobs(registry: &mut JobRegistry<web::Data<AppState>>) {
    registry.register::<ImportJob>();
}

impl BackgroundJob for ImportJob {
    const KIND: &'static str = "import";
    type Context = web::Data<AppState>;

    /// Runs the import. Fails permanently if the file or its rows are to blame: the import says
    /// why.
    async fn run(&self, ctx: &JobContext<Self::Context>) -> Result<Value, JobError> {
        let (state, id) = (&ctx.app, self.import_id);
        let mut conn = connection(state).await?;
        let import = queries::find(&mut conn, id).await?;
        let import = import.ok_or_else(|| JobError::Permanent(anyhow!("the import is gone")))?;
        if import.finished_at.is_some() {
            // Finished by a worker that died before it could record the job.
            return Ok(json!({"import_id": id}));
        }
        queries::restart(&mut conn, id).await?;
        let done = match importer(&mut conn, &import).await {
            Ok(by) => {
                let progress = ImportProgress::default();
                let work = Work { state, import: &import, by: Arc::new(by), progress };
                work.run(&mut conn).await
            }
            Err(error) => Err(error),
        };
        drop(conn);
        // Before the import is shown as finished: its user must find what it wrote.
        state.part::<KeptBags>().forget_all();
        state.cache.writes().note_here(Person(import.user_id));
        state.cache.writes().tell(Person(import.user_id)).await;
        record_outcome(&mut *connection(state).await?, &import, done, ctx.is_last_attempt()).await
    }
}

/// Records the outcome of an attempt, unless the import will be attempted again.
async fn record_outcome(
    conn: &mut AsyncPgConnection,
    import: &ImportRecord,
    done: Result<ImportProgress, Error>,
    is_last_attempt: bool,
) -> Result<Value, JobError> {
    let id = import.id;
    match done {
        Ok(progress) => {
            finish(conn, import, JobStatus::Succeeded, progress, None).await?;
            Ok(json!({"import_id": id, "progress": progress}))
        }
        Err(Error::Refused(refusal)) if refusal.retry_after_seconds.is_none() => {
            let progress = queries::find(conn, id).await?.map(progress_of).unwrap_or_default();
            let (code, detail) = (refusal.code.as_str(), &refusal.detail);
            finish(conn, import, JobStatus::Failed, progress, Some((code, detail))).await?;
            Err(JobError::Permanent(anyhow!("{code}: {detail}")))
        }
        Err(error) => {
            if is_last_attempt {
                let progress = queries::find(conn, id).await?.map(progress_of).unwrap_or_default();
                let detail = "The work failed too often. Send the file again: rows that are in stay in.";
                let reason = (ErrorCode::Internal.as_str(), detail);
                finish(conn, import, JobStatus::Failed, progress, Some(reason)).await?;
            }
            Err(JobError::Retry(error.into()))
        }
    }
}

async fn connection(state: &AppState) -> Result<Connection, JobError> {
    Ok(state.pool.get().await?)
}

fn progress_of(import: ImportRecord) -> ImportProgress {
    ImportProgress { rows_read: import.rows_read, rows_accepted: import.rows_accepted, rows_refused: import.rows_refused }
}

/// Who the import is done as: the admin who handed it in, as long as they are one.
async fn importer(conn: &mut AsyncPgConnection, import: &ImportRecord) -> Result<ScannedBy, Error> {
    let user = users::queries::find(conn, UserId(import.user_id)).await?;
    let Some((user, area)) = user.filter(|(user, _)| user.is_active && user.role == Role::Admin) else {
        return Err(Error::refused(ErrorCode::Forbidden, "The person who uploaded the file is no longer an active admin."));
    };
    let client = client_of(import);
    let actor = Actor::person(user.id, &user.username, &client);
    let caller = Caller {
        two_factor_setup_required: false,
        user_id: user.id,
        username: user.username,
        role: user.role,
        // The session of the upload may have ended long ago; the work needs none.
        credential: Credential::Session(Uuid::nil()),
        area_id: user.dispatch_area_id,
        area,
        password_change_required: false,
    };
    Ok(ScannedBy { caller, actor })
}

/// Where the file came from: for the audit entries of the work.
fn client_of(import: &ImportRecord) -> Client {
    Client { ip: import.ip.clone(), user_agent: import.user_agent.clone(), request_id: import.request_id.clone(), api_key_id: import.api_key_id }
}

async fn finish(
    conn: &mut AsyncPgConnection,
    import: &ImportRecord,
    status: JobStatus,
    progress: ImportProgress,
    error: Option<(&str, &str)>,
) -> Result<(), Error> {
    let client = client_of(import);
    let actor = Actor { id: Some(UserId(import.user_id)), name: import.created_by.clone(), client };
    let after = json!({"status": status, "rows_read": progress.rows_read, "rows_accepted": progress.rows_accepted,
                       "rows_refused": progress.rows_refused, "error": error.map(|(code, _)| code)});
    let entry = Entry::new(Action::Import, Entity::Import, import.id).before(json!({"status": "running"})).after(after);
    Manager::begin_transaction(conn).await?;
    let done = async {
        queries::set_progress(conn, import.id, progress).await?;
        queries::finish(conn, import.id, status, error).await?;
        audit::record(conn, &actor, vec![entry]).await
    }
    .await;
    Ok(ended(conn, done).await?)
}

/// Commits what went well, rolls back what did not. (The closures that `db::transaction` takes can't be part of a
/// task that moves between threads, as jobs do.)
async fn ended<T>(conn: &mut AsyncPgConnection, done: QueryResult<T>) -> QueryResult<T> {
    if done.is_ok() {
        Manager::commit_transaction(conn).await?;
    } else if let Err(cause) = Manager::rollback_transaction(conn).await {
        tracing::warn!(error = %cause, "the rollback failed; the connection is closed");
    }
    done
}

/// Rows that come from the thread that reads the file.
struct Rows {
    batches: mpsc::Receiver<Vec<RawRow>>,
    reading: JoinHandle<Result<(), Error>>,
}

impl Rows {
    fn read(file: File, import: &ImportRecord) -> Self {
        let (sender, batches) = mpsc::channel(2);
        let format = import.file_format;
        let batch_rows = match import.kind {
            ImportKind::Bags => BAGS_AT_ONCE,
            ImportKind::Links => LINKS_AT_ONCE,
        };
        Self { batches, reading: tokio::task::spawn_blocking(move || read_rows::send_rows(file, format, batch_rows, &sender)) }
    }

    /// To be asked when there are no more batches: was that all, or could the rest not be read?
    async fn ended(self) -> Result<(), Error> {
        self.reading.await.map_err(anyhow::Error::from)?
    }
}

struct Work<'a> {
    state: &'a AppState,
    import: &'a ImportRecord,
    by: Arc<ScannedBy>,
    progress: ImportProgress,
}

impl Work<'_> {
    async fn run(mut self, conn: &mut Connection) -> Result<ImportProgress, Error> {
        let rules = self.rules(conn).await?;
        let file = queries::load_file(conn, self.import.id, self.import.file_bytes).await?;
        let rows = Rows::read(file, self.import);
        if self.import.dry_run || self.import.mode == ImportMode::AllOrNothing {
            self.write_as_one(conn, &rules, rows).await?;
        } else {
            self.write_batches(conn, &rules, rows).await?;
        }
        Ok(self.progress)
    }

    async fn rules(&self, conn: &mut AsyncPgConnection) -> Result<Rules, Error> {
        #[derive(QueryableByName)]
        struct Area {
            #[diesel(sql_type = Integer)]
            id: i32,
            #[diesel(sql_type = Text)]
            code: String,
        }
        let areas: Vec<Area> = sql("SELECT id, code FROM dispatch_areas WHERE is_active").load(conn).await?;
        let columns: Vec<Column> = serde_json::from_value(self.import.columns.clone()).map_err(anyhow::Error::from)?;
        Ok(Rules {
            columns: Columns(columns),
            formats: BagFormats::load(conn).await?,
            areas: areas.into_iter().map(|area| (area.code.to_lowercase(), area.id)).collect::<HashMap<_, _>>(),
        })
    }

    fn count(&mut self, read: usize, refused: usize) {
        self.progress.rows_read += read as i64;
        self.progress.rows_refused += refused as i64;
        self.progress.rows_accepted = self.progress.rows_read - self.progress.rows_refused;
    }

    /// Every batch for itself.
    async fn write_batches(&mut self, conn: &mut Connection, rules: &Rules, mut rows: Rows) -> Result<(), Error> {
        let scanning = Scanning { import_id: self.import.id, scanned_at: self.import.created_at.trunc_subsecs(6), by: self.by.clone() };
        while let Some(batch) = rows.batches.recv().await {
            let read = batch.len();
            match self.import.kind {
                ImportKind::Bags => {
                    let (good, refused) = checked(batch, |row| rules.bag(row));
                    self.progress = self.write_bags(conn, &good, refused, read).await?;
                    self.state.part::<KeptBags>().forget_all();
                }
                ImportKind::Links => {
                    let (good, mut refused) = checked(batch, |row| rules.link(row));
                    refused.extend(write_rows::write_links(conn, self.state.part::<ScanWriter>(), rules, &scanning, &good).await?);
                    Manager::begin_transaction(&mut **conn).await?;
                    let noted = note(conn, self.import.id, self.progress, read, &refused).await;
                    self.progress = ended(conn, noted).await?;
                }
            }
        }
        rows.ended().await
    }

    /// One batch of bags, in one transaction, as often as it takes.
    async fn write_bags(&self, conn: &mut Connection, good: &[BagRow], refused: Vec<RefusedRow>, read: usize) -> QueryResult<ImportProgress> {
        let mut attempt = 1;
        loop {
            Manager::begin_transaction(&mut **conn).await?;
            let written = async {
                conn.batch_execute(COMMIT_EARLY).await?;
                let mut refused = refused.clone();
                refused.extend(write_rows::write_bags(conn, &self.by.actor, good).await?);
                note(conn, self.import.id, self.progress, read, &refused).await
            }
            .await;
            match ended(conn, written).await {
                Err(cause) if attempt < TRIES && is_worth_retrying(&cause) => tokio::time::sleep(jitter(attempt)).await,
                done => return done,
            }
            attempt += 1;
        }
    }

    /// All in one transaction, or nothing at all.
    async fn write_as_one(&mut self, conn: &mut Connection, rules: &Rules, rows: Rows) -> Result<(), Error> {
        Manager::begin_transaction(&mut **conn).await?;
        match self.stage_and_apply(conn, rules, rows).await {
            Ok(refusal) => {
                Manager::commit_transaction(&mut **conn).await?;
                refusal.map_or(Ok(()), Err)
            }
            Err(abort) => {
                if let Err(cause) = Manager::rollback_transaction(&mut **conn).await {
                    tracing::warn!(error = %cause, "the rollback failed; the connection is closed");
                }
                Err(match abort {
                    Abort::Error(error) => error,
                    // Somebody made one of the bags meanwhile: the next try sees it.
                    Abort::Database(cause) => Error::unavailable(format!("The rows could not be written: {cause}")),
                })
            }
        }
    }

    /// What is returned is the refusal to tell after the commit of the refused rows.
    async fn stage_and_apply(&mut self, conn: &mut AsyncPgConnection, rules: &Rules, mut rows: Rows) -> Result<Option<Error>, Abort> {
        let (id, at) = (self.import.id, self.import.created_at.trunc_subsecs(6));
        let is_final = !self.import.dry_run;
        as_one::open(conn).await?;
        while let Some(batch) = rows.batches.recv().await {
            let read = batch.len();
            let refused = match self.import.kind {
                ImportKind::Bags => {
                    let (good, refused) = checked(batch, |row| rules.bag(row));
                    as_one::stage_bags(conn, &good).await?;
                    refused
                }
                ImportKind::Links => {
                    let (good, refused) = checked(batch, |row| rules.link(row));
                    as_one::stage_links(conn, rules, id, at, &good).await?;
                    refused
                }
            };
            queries::insert_errors(conn, id, &refused).await?;
            self.count(read, refused.len());
            // By another connection: this one's transaction shows nothing yet.
            let mut other = self.state.pool.get().await.map_err(Error::from)?;
            queries::set_progress(&mut other, id, self.progress).await?;
        }
        rows.ended().await?;
        match self.import.kind {
            ImportKind::Bags => as_one::check_bags(conn, id).await?,
            ImportKind::Links => as_one::check_links(conn, id, is_final).await?,
        }
        self.progress.rows_refused = queries::count_errors(conn, id).await?;
        self.progress.rows_accepted = self.progress.rows_read - self.progress.rows_refused;
        if !is_final {
            return Ok(None);
        }
        if self.progress.rows_refused > 0 {
            let detail = format!("{} of {} rows are refused, so nothing was written.", self.progress.rows_refused, self.progress.rows_read);
            self.progress.rows_accepted = 0;
            queries::set_progress(conn, id, self.progress).await?;
            return Ok(Some(Error::refused(ErrorCode::ImportRowsRefused, detail)));
        }
        match self.import.kind {
            ImportKind::Bags => as_one::apply_bags(conn, &self.by.actor).await?,
            ImportKind::Links => as_one::apply_links(conn, &self.by.actor, at).await?,
        }
        Ok(None)
    }
}

/// Notes what came of a batch.
async fn note(conn: &mut AsyncPgConnection, id: Uuid, before: ImportProgress, read: usize, refused: &[RefusedRow]) -> QueryResult<ImportProgress> {
    let (read, refusals) = (read as i64, refused.len() as i64);
    let progress = ImportProgress {
        rows_read: before.rows_read + read,
        rows_accepted: before.rows_accepted + read - refusals,
        rows_refused: before.rows_refused + refusals,
    };
    queries::insert_errors(conn, id, refused).await?;
    queries::set_progress(conn, id, progress).await?;
    Ok(progress)
}
