//! The scan writer: every scan of this process goes through here, many in one transaction.
//!
//! A writer takes whatever waits (one scan when idle, hundreds under load; it never waits for more to come), locks
//! the bags, decides in memory, writes in sets, commits, and only then answers everyone who waits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{SubsecRound, Utc};
use diesel::result::{DatabaseErrorKind, Error as DbError};
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::{AsyncConnection, AsyncPgConnection, TransactionManager};
use futures_util::FutureExt;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::answer::RecordedScan;
use super::model::{ScanKind, ScanOutcome, ScanRow};
use super::queries;
use super::rules::{Decision, ScanCommand, Warehouse};
use super::write_health::WriteHealth;
use super::write_sets::{BEGIN_NOTING_LINKS, Prepared, WriteSets, scan_row};
use crate::bag_formats::qr_code::QrCode;
use crate::bag_formats::shared::SharedFormats;
use crate::bags;
use crate::bags::kept_bags::KeptBags;
use crate::config::Config;
use crate::db::connect::{self, ShortQuery};
use crate::db::sqlstate::TemporaryFailure;
use crate::db::transaction::jitter;
use crate::db::{Lsn, lsn, pool, sql};
use crate::error::{Error, ErrorCode, Result};

/// A batch that collides with another process's is decided again this often.
const TRIES: u32 = 8;
/// Attempts for a heartbeat, and for a batch that the server refuses as read-only: a new connection
/// may lead to another server.
const FEW_TRIES: u32 = 2;
/// Delay before a new connection is opened after one was lost.
const RECONNECT_DELAY: Duration = Duration::from_millis(250);
/// Limit of a heartbeat, which waits for locks for two seconds at most.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(4);

/// One request's scans, and where its answer goes.
struct Job {
    scans: Vec<ScanCommand>,
    answer: oneshot::Sender<Result<Recorded>>,
    /// Keeps the queue bounded by scans: given back when the job is answered.
    _places: OwnedSemaphorePermit,
}

/// What one scan of a request gets: recorded, or refused for itself alone.
pub type ScanAnswer = Result<RecordedScan>;

/// What came of the scans of one request.
pub struct Recorded {
    /// In the order given.
    pub answers: Vec<ScanAnswer>,
    /// A position of the primary's log after the commit; `None` where there are no replicas to compare it with.
    pub position: Option<Lsn>,
}

/// The way into the writer. Cheap to clone; the writer ends when all clones are gone and the queue is empty.
#[derive(Clone)]
pub struct ScanWriter {
    jobs: mpsc::UnboundedSender<Job>,
    places: Arc<Semaphore>,
    size: usize,
    health: WriteHealth,
}

/// The writer's tasks, to be waited for when the process stops.
pub struct ScanWriterTasks(Vec<JoinHandle<()>>);

impl ScanWriterTasks {
    /// Waits until every scan that was taken is written.
    pub async fn drained(self) {
        for task in self.0 {
            if let Err(error) = task.await {
                tracing::error!(%error, "a scan writer failed");
            }
        }
    }
}

impl ScanWriter {
    /// Starts the writer tasks, each with a connection of its own.
    pub fn start(database_url: &str, formats: SharedFormats, kept_bags: KeptBags, has_replicas: bool, config: &Config) -> (Self, ScanWriterTasks) {
        register_metrics();
        let (sender, receiver) = mpsc::unbounded_channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let health = WriteHealth::default();
        let process_id = Uuid::new_v4();
        let tasks = (0..config.scan_writers)
            .map(|_| {
                let task = WriterTask {
                    jobs: receiver.clone(),
                    database_url: database_url.to_owned(),
                    statement_timeout_seconds: config.database.statement_timeout_seconds,
                    formats: formats.clone(),
                    kept_bags: kept_bags.clone(),
                    batch_size: config.scan_batch_size,
                    has_replicas,
                    health: health.clone(),
                    process_id,
                    conn: None,
                    prepared: Prepared::default(),
                };
                // Not a registered task: it catches its panics, and it must outlive the registered
                // tasks, because the server writes every accepted scan before it stops.
                tokio::spawn(task.run())
            })
            .collect();
        let writer = Self { jobs: sender, places: Arc::new(Semaphore::new(config.scan_queue_size)), size: config.scan_queue_size, health };
        (writer, ScanWriterTasks(tasks))
    }

    /// Writes the scans of one request in the order given and waits for the commit.
    ///
    /// Dropping the future does not take the scans back: once queued they are written, and a retry with the
    /// same ids gets the answers that nobody waited for.
    ///
    /// # Errors
    /// 503 `unavailable` when the queue is full or the database can't be reached, `storage_full`
    /// when its disk is full. After a connection was lost at the commit, the scans may have been
    /// written; with the same ids they are not written twice.
    pub async fn record(&self, scans: Vec<ScanCommand>) -> Result<Recorded> {
        let busy = || Error::unavailable("Too many scans are waiting. Send these again in a second with the same ids.");
        // A batch larger than the whole queue takes all of it, rather than never getting in.
        let places = u32::try_from(scans.len().min(self.size)).map_err(|_| busy())?;
        let places = self.places.clone().try_acquire_many_owned(places).map_err(|_| busy())?;
        let (answer, answered) = oneshot::channel();
        let job = Job { scans, answer, _places: places };
        self.jobs.send(job).map_err(|_| Error::unavailable("The server is stopping. Try again in a moment."))?;
        metrics::gauge!("scan_writer_queue_scans").set(self.waiting() as f64);
        answered.await.map_err(|_| Error::unavailable("The server is stopping. Try again in a moment."))?
    }

    /// Writes a heartbeat the way scans are written, behind those that wait in the queue.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub async fn heartbeat(&self) -> Result<()> {
        self.record(Vec::new()).await.map(|_| ())
    }

    /// The observed health of writing.
    pub fn health(&self) -> &WriteHealth {
        &self.health
    }

    /// Scans that wait or are being written.
    pub fn waiting(&self) -> usize {
        self.size - self.places.available_permits()
    }
}

/// Counters begin with 0, so that the first scan after a start shows as an increase.
fn register_metrics() {
    for kind in ScanKind::ALL {
        for outcome in ScanOutcome::ALL.iter().filter(|outcome| outcome.is_of(*kind)) {
            metrics::counter!("bag_scans_total", "kind" => kind.as_str(), "outcome" => outcome.as_str()).increment(0);
        }
    }
}

struct WriterTask {
    jobs: Arc<Mutex<mpsc::UnboundedReceiver<Job>>>,
    database_url: String,
    statement_timeout_seconds: u64,
    formats: SharedFormats,
    kept_bags: KeptBags,
    batch_size: usize,
    has_replicas: bool,
    health: WriteHealth,
    /// Identifies this process in the table of heartbeats.
    process_id: Uuid,
    conn: Option<AsyncPgConnection>,
    /// What this connection has prepared.
    prepared: Prepared,
}

impl WriterTask {
    async fn run(mut self) {
        while let Some(batch) = self.next_batch().await {
            // A panic is a bug, but it must cost one batch, not all scanning until the next restart.
            if std::panic::AssertUnwindSafe(self.write(batch)).catch_unwind().await.is_err() {
                tracing::error!("a batch of scans was dropped by a panic; its callers must retry");
                self.conn = None;
            }
        }
    }

    /// Everything that waits, up to the batch size; waits for the first job only.
    async fn next_batch(&self) -> Option<Vec<Job>> {
        let mut jobs = self.jobs.lock().await;
        let mut batch = vec![jobs.recv().await?];
        let mut scans = batch[0].scans.len();
        while scans < self.batch_size
            && let Ok(job) = jobs.try_recv()
        {
            scans += job.scans.len();
            batch.push(job);
        }
        Some(batch)
    }

    async fn write(&mut self, batch: Vec<Job>) {
        let scans: Vec<ScanCommand> = batch.iter().flat_map(|job| job.scans.iter().cloned()).collect();
        match self.write_scans(&scans).await {
            Ok(recorded) => answer_all(batch, recorded),
            Err(WriteError::Fault(cause)) if batch.len() > 1 => {
                // One scan that the database can't take must not fail its neighbours: each job for itself.
                tracing::error!(error = %cause, jobs = batch.len(), "a batch of scans failed; its scans are tried one by one");
                for job in batch {
                    let outcome = self.write_scans(&job.scans).await;
                    answer_one(job, outcome);
                }
            }
            Err(error) => {
                let refusal = error.into_error();
                for job in batch {
                    let Error::Refused(refusal) = &refusal else {
                        let _ = job.answer.send(Err(Error::Internal(anyhow::anyhow!("the batch of this scan failed: {refusal}"))));
                        continue;
                    };
                    let _ = job.answer.send(Err(Error::Refused(refusal.clone())));
                }
            }
        }
    }

    /// Writes scans in one transaction, in several attempts if needed; without scans, a heartbeat.
    async fn write_scans(&mut self, scans: &[ScanCommand]) -> Result<Recorded, WriteError> {
        let mut attempt = 1;
        loop {
            let outcome = if scans.is_empty() { self.write_heartbeat().await } else { self.try_write(scans, attempt > 1).await };
            let cause = match outcome {
                Ok(answers) => {
                    self.health.record_commit();
                    let position = if scans.is_empty() { None } else { self.position().await };
                    return Ok(Recorded { answers, position });
                }
                Err(cause) => cause,
            };
            let failure = TemporaryFailure::of_error(&cause);
            self.recover(failure).await;
            let tries = match failure {
                Some(TemporaryFailure::ConnectionLost) if scans.is_empty() => FEW_TRIES,
                Some(TemporaryFailure::ReadOnly) => FEW_TRIES,
                Some(TemporaryFailure::ConnectionLost | TemporaryFailure::Conflict) => TRIES,
                _ if is_collision(&cause) => TRIES,
                _ => 1,
            };
            if attempt >= tries {
                let is_temporary = failure.is_some_and(|failure| self.health.record_failure(failure));
                return Err(if is_temporary { WriteError::Temporary(cause) } else { WriteError::Fault(cause) });
            }
            tokio::time::sleep(if self.conn.is_none() { RECONNECT_DELAY } else { jitter(attempt) }).await;
            attempt += 1;
        }
    }

    async fn write_heartbeat(&mut self) -> Result<Vec<ScanAnswer>, DbError> {
        let statement = sql("SELECT write_heartbeat($1)").bind::<SqlUuid, _>(self.process_id);
        let conn = self.connection().await?;
        ShortQuery::on(conn).within(HEARTBEAT_TIMEOUT, statement.execute_on(conn)).await?;
        Ok(Vec::new())
    }

    /// Where the log is after the commit, for the whole batch. One that can't be had is told as never reached.
    async fn position(&mut self) -> Option<Lsn> {
        let conn = self.conn.as_mut().filter(|_| self.has_replicas)?;
        match lsn::written(conn).await {
            Ok(position) => Some(position),
            Err(error) => {
                tracing::warn!(%error, "could not read the primary's log position after a batch of scans");
                self.conn = None;
                Some(Lsn::NEVER)
            }
        }
    }

    /// Rolls back a failed transaction. Drops the connection when it is lost or its server does not
    /// accept writes.
    async fn recover(&mut self, failure: Option<TemporaryFailure>) {
        let Some(conn) = &mut self.conn else { return };
        let is_usable = !matches!(failure, Some(TemporaryFailure::ConnectionLost | TemporaryFailure::ReadOnly))
            && match TM::transaction_manager_status_mut(conn).transaction_depth() {
                Ok(None) => true,
                Ok(Some(_)) => TM::rollback_transaction(conn).await.is_ok(),
                Err(_) => false,
            };
        if !is_usable {
            self.conn = None;
        }
    }

    /// The current connection if it is usable, or a new one.
    async fn connection(&mut self) -> Result<&mut AsyncPgConnection, DbError> {
        if let Some(conn) = &mut self.conn
            && connect::check_before_use(conn).await.is_err()
        {
            self.conn = None;
        }
        if self.conn.is_none() {
            let conn = pool::connect(self.database_url.clone(), self.statement_timeout_seconds).await;
            self.conn = Some(conn.map_err(connection_error)?);
            self.prepared = Prepared::default();
        }
        Ok(self.conn.as_mut().expect("just connected"))
    }

    async fn try_write(&mut self, scans: &[ScanCommand], is_retry: bool) -> Result<Vec<ScanAnswer>, DbError> {
        self.connection().await?;
        let conn = self.conn.as_mut().expect("just connected");
        TM::begin_transaction_sql(conn, BEGIN_NOTING_LINKS).await?;
        let codes: HashSet<&QrCode> = scans.iter().flat_map(|scan| [Some(&scan.code), scan.parent.as_ref()]).flatten().collect();
        let codes: Vec<&QrCode> = codes.into_iter().collect();
        let known_bags = bags::queries::lock(conn, &codes).await?;
        // After the locks: a first try of the same scan that was still running then is visible now.
        let earlier = queries::find_many(conn, scans.iter().map(|scan| scan.id).collect()).await?;

        // PostgreSQL keeps microseconds: what is answered now must be what a replay will read.
        let now = Utc::now().trunc_subsecs(6);
        let mut warehouse = Warehouse::new(self.formats.current(), known_bags, now);
        let plan = Plan::make(scans, earlier, &mut warehouse, is_retry);
        let decided = plan.decided();
        let rows: Vec<ScanRow> = decided.iter().map(|(scan, decision)| scan_row(scan, decision, now)).collect();
        WriteSets::new(&warehouse, &decided, &rows, now).execute(conn, &mut self.prepared).await?;
        let committed = TM::commit_transaction(conn).await;
        // Also when it failed: a connection that is lost now may have committed.
        self.kept_bags.forget(codes);
        committed?;
        metrics::histogram!("scan_writer_batch_scans").record(scans.len() as f64);
        for (_, decision) in &decided {
            metrics::counter!("bag_scans_total", "kind" => decision.kind.as_str(), "outcome" => decision.outcome.as_str()).increment(1);
        }
        Ok(plan.answers())
    }
}

type TM = <AsyncPgConnection as AsyncConnection>::TransactionManager;

/// Why scans could not be written.
enum WriteError {
    /// A failure that affects all writes, such as a full disk.
    Temporary(DbError),
    /// The database refused these scans.
    Fault(DbError),
}

impl WriteError {
    fn into_error(self) -> Error {
        let (Self::Temporary(cause) | Self::Fault(cause)) = self;
        cause.into()
    }
}

/// The error of a failed connection attempt, as a lost connection unless it has a classification of
/// its own.
fn connection_error(cause: diesel::ConnectionError) -> DbError {
    match cause {
        diesel::ConnectionError::CouldntSetupConfiguration(cause) if TemporaryFailure::of_error(&cause).is_some() => cause,
        other => DbError::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(other.to_string())),
    }
}

/// Another process made the same bag, link or scan in the same instant: decide again on what is there now.
fn is_collision(cause: &DbError) -> bool {
    matches!(cause, DbError::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
}

fn answer_all(batch: Vec<Job>, Recorded { answers, position }: Recorded) {
    let mut answers = answers.into_iter();
    for job in batch {
        let own = answers.by_ref().take(job.scans.len()).collect();
        // A caller who has gone away finds the answer by its id.
        let _ = job.answer.send(Ok(Recorded { answers: own, position }));
    }
}

fn answer_one(job: Job, outcome: Result<Recorded, WriteError>) {
    let _ = job.answer.send(outcome.map_err(WriteError::into_error));
}

/// What each scan of a batch comes to, in the order given.
struct Plan<'a> {
    steps: Vec<Step<'a>>,
}

enum Step<'a> {
    /// Decided now.
    New { scan: &'a ScanCommand, decision: Box<Decision> },
    /// Written before: the first answer again.
    Replayed(Box<RecordedScan>),
    /// The same scan as an earlier one of this batch.
    Repeats(usize),
    /// The id belongs to another scan.
    IdReused,
}

impl<'a> Plan<'a> {
    fn make(scans: &'a [ScanCommand], earlier: Vec<ScanRow>, warehouse: &mut Warehouse, is_retry: bool) -> Self {
        let earlier: HashMap<Uuid, ScanRow> = earlier.into_iter().map(|row| (row.id, row)).collect();
        let mut first_with_id: HashMap<Uuid, usize> = HashMap::new();
        let mut steps: Vec<Step<'a>> = Vec::with_capacity(scans.len());
        for (index, scan) in scans.iter().enumerate() {
            let step = if let Some(row) = earlier.get(&scan.id) {
                if is_same(row, scan) {
                    let parent = scan.parent.as_ref().and_then(|code| warehouse.bag(code));
                    let mut replay = RecordedScan::replay(row, warehouse.bag(&scan.code), parent);
                    // Found by a second try of our own: for the caller this is still the first answer.
                    replay.is_replay = !is_retry;
                    Step::Replayed(Box::new(replay))
                } else {
                    Step::IdReused
                }
            } else if let Some(&first) = first_with_id.get(&scan.id) {
                let same = scans[first].code == scan.code && scans[first].parent == scan.parent && is_same_person(&scans[first], scan);
                if same { Step::Repeats(first) } else { Step::IdReused }
            } else {
                first_with_id.insert(scan.id, index);
                Step::New { scan, decision: Box::new(warehouse.decide(scan)) }
            };
            steps.push(step);
        }
        Self { steps }
    }

    fn decided(&self) -> Vec<(&'a ScanCommand, &Decision)> {
        self.steps
            .iter()
            .filter_map(|step| match step {
                Step::New { scan, decision } => Some((*scan, &**decision)),
                Step::Replayed(_) | Step::Repeats(_) | Step::IdReused => None,
            })
            .collect()
    }

    fn answers(&self) -> Vec<ScanAnswer> {
        self.steps.iter().map(|step| self.answer(step)).collect()
    }

    fn answer(&self, step: &Step<'a>) -> ScanAnswer {
        match step {
            Step::New { scan, decision } => Ok(RecordedScan::new(scan, decision)),
            Step::Replayed(recorded) => Ok((**recorded).clone()),
            Step::Repeats(first) => self.answer(&self.steps[*first]).map(|recorded| RecordedScan { is_replay: true, ..recorded }),
            Step::IdReused => Err(Error::refused(
                ErrorCode::ScanIdReused,
                "This id belongs to an earlier scan of another code or person. Generate a new UUIDv7 for every scan.",
            )),
        }
    }
}

fn is_same(row: &ScanRow, scan: &ScanCommand) -> bool {
    row.qr_code == scan.code && row.parent_qr_code == scan.parent && row.user_id == scan.by.caller.user_id
}

fn is_same_person(one: &ScanCommand, other: &ScanCommand) -> bool {
    one.by.caller.user_id == other.by.caller.user_id
}
