//! Is the process alive, can it serve, and how is each part of it?

pub mod heartbeat;

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, Responder, get, web};
use chrono::{DateTime, Utc};
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::background::{BackgroundTask, TaskState};
use crate::db::partitions::{self, PartitionFigures};
use crate::db::sql;
use crate::http::metrics;
use crate::http::responses::Always;
use crate::identity::Role;
use crate::identity::caller::{Caller, authenticate};
use crate::scans::record_scans::ScanWriter;
use crate::scans::write_health::WriteProblem;
use crate::state::AppState;

/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// Disks fuller than this make the state `degraded`, in per cent.
const DISK_DEGRADED_PERCENT: f64 = 90.0;

/// Status of a part, or of the whole system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Healthy,
    /// Works, but not as it should.
    Degraded,
    Unhealthy,
    /// Not in use here.
    NotConfigured,
}

/// The short status, for load balancers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    pub status: Status,
}

/// The detailed status.
#[derive(Debug, Serialize, ToSchema)]
pub struct DetailedHealth {
    pub status: Status,
    pub timestamp: DateTime<Utc>,
    pub checks: Checks,
}

/// The parts. Figures are shown to signed-in callers only.
#[derive(Debug, Serialize, ToSchema)]
pub struct Checks {
    pub database: DatabaseCheck,
    pub redis: PartCheck,
    pub disk: DiskCheck,
    pub scan_writer: ScanWriterCheck,
    pub jobs: JobsCheck,
    pub replicas: ReplicasCheck,
    pub partitions: PartitionsCheck,
    pub background_tasks: BackgroundTasksCheck,
}

/// The periodic tasks and services of this process.
#[derive(Debug, Serialize, ToSchema)]
pub struct BackgroundTasksCheck {
    /// Degraded when a task fails repeatedly, or is overdue.
    pub status: Status,
    /// Every task. Shown only to admins who are signed in, because errors can name internals.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub tasks: Option<Vec<BackgroundTask>>,
}

/// The database and the pool of connections to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct DatabaseCheck {
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub pool_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub checked_out: Option<usize>,
    /// Requests that wait for a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub waiting: Option<usize>,
}

/// A part of the system without figures.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartCheck {
    pub status: Status,
}

/// The monthly partitions of scans and audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartitionsCheck {
    /// Degraded if a partition is missing, or if the default partition contains rows.
    pub status: Status,
    /// If degraded: the command to run on the server. It repairs the partitions, or reports what
    /// prevents the repair.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "api maintenance")]
    pub repair_command: Option<&'static str>,
}

/// The disk that the data folder is on.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiskCheck {
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub used_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub free_gb: Option<f64>,
}

/// Whether scans can be written, and how many are waiting.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScanWriterCheck {
    /// Unhealthy if scans cannot be written at the moment; the process is then not ready.
    pub status: Status,
    /// Why scans cannot be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub problem: Option<WriteProblem>,
    /// What to do about the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub detail: Option<&'static str>,
    /// Seconds since the last commit of the scan writer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub last_write_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub waiting_scans: Option<usize>,
}

/// The replicas of the database that serve reads.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplicasCheck {
    /// Degraded if a replica gets no reads because it does not respond or is too far behind.
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub configured: Option<usize>,
    /// Replicas that get reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub healthy: Option<usize>,
    /// The largest lag of all replicas that respond.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub lag_seconds: Option<f64>,
}

/// Work that runs in the background: emails, imports, reports.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobsCheck {
    /// Degraded if a job has been due for ten minutes and no worker has claimed it.
    pub status: Status,
    /// Jobs that are waiting or running.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub waiting: Option<i64>,
}

/// Check that the process is alive.
#[utoipa::path(operation_id = "get_liveness", tag = "health", responses((status = 200, description = "Alive", body = Health), Always), security(()))]
#[get("/health/live")]
pub async fn get_liveness() -> impl Responder {
    web::Json(Health { status: Status::Healthy })
}

/// Check whether this process accepts requests.
#[utoipa::path(
    operation_id = "get_readiness", tag = "health",
    responses((status = 200, description = "Ready", body = Health), (status = 503, description = "Not ready", body = Health)), security(()),
)]
#[get("/health/ready")]
pub async fn get_readiness(state: web::Data<AppState>) -> impl Responder {
    readiness(&state)
}

/// Check whether this process accepts requests; the same as `/health/ready`.
#[utoipa::path(
    operation_id = "get_health", tag = "health",
    responses((status = 200, description = "Ready", body = Health), (status = 503, description = "Not ready", body = Health)), security(()),
)]
#[get("/health")]
pub async fn get_health(state: web::Data<AppState>) -> impl Responder {
    readiness(&state)
}

/// Sends no query: the scan writer knows whether scans can be written.
fn readiness(state: &AppState) -> HttpResponse {
    let is_ready = !state.is_stopping() && state.part::<ScanWriter>().health().problem().is_none();
    let status = if is_ready { Status::Healthy } else { Status::Unhealthy };
    answer(status).json(Health { status })
}

fn answer(status: Status) -> actix_web::HttpResponseBuilder {
    if status == Status::Unhealthy { HttpResponse::ServiceUnavailable() } else { HttpResponse::Ok() }
}

/// Show the status of each part.
#[utoipa::path(
    operation_id = "get_detailed_health", tag = "health",
    responses((status = 200, description = "Healthy or degraded", body = DetailedHealth), (status = 503, description = "Unhealthy", body = DetailedHealth)),
    security((), ("bearer" = [])),
)]
#[get("/api/health/detailed")]
pub async fn get_detailed_health(state: web::Data<AppState>, req: HttpRequest) -> impl Responder {
    detailed(&state, &req).await
}

async fn detailed(state: &AppState, req: &HttpRequest) -> HttpResponse {
    let shows_figures = authenticate(req).is_ok();
    let shown = |figure: usize| shows_figures.then_some(figure);
    let database = database_status(state).await;
    let pool = state.pool.status();
    let disk = disk_usage(&state.config.database.data_dir);
    let disk_status = match disk {
        Some((used_percent, _)) if used_percent > DISK_DEGRADED_PERCENT => Status::Degraded,
        _ => Status::Healthy,
    };
    let scan_writer = scan_writer_check(state, shows_figures);
    let redis = redis_status(state).await;
    let (jobs, waiting_jobs) = jobs_status(state).await;
    let replicas = replicas_check(state, shows_figures);
    let partitions = partitions_check(state).await;
    let background_tasks = background_tasks_check(state, req);
    let parts = [database, disk_status, scan_writer.status, redis, jobs, replicas.status, partitions.status, background_tasks.status];
    let status = [Status::Unhealthy, Status::Degraded].into_iter().find(|bad| parts.contains(bad)).unwrap_or(Status::Healthy);
    answer(status).json(DetailedHealth {
        status,
        timestamp: Utc::now(),
        checks: Checks {
            database: DatabaseCheck {
                status: database,
                pool_size: shown(pool.max_size),
                checked_out: shown(pool.size - pool.available.min(pool.size)),
                waiting: shown(pool.waiting),
            },
            redis: PartCheck { status: redis },
            disk: DiskCheck {
                status: disk_status,
                used_percent: disk.filter(|_| shows_figures).map(|(used_percent, _)| used_percent),
                free_gb: disk.filter(|_| shows_figures).map(|(_, free_gb)| free_gb),
            },
            scan_writer,
            jobs: JobsCheck { status: jobs, waiting: waiting_jobs.filter(|_| shows_figures) },
            replicas,
            partitions,
            background_tasks,
        },
    })
}

fn scan_writer_check(state: &AppState, shows_figures: bool) -> ScanWriterCheck {
    let health = state.part::<ScanWriter>().health();
    let (problem, waiting) = (health.problem(), state.part::<ScanWriter>().waiting());
    let status = match problem {
        Some(_) => Status::Unhealthy,
        None if waiting * 10 > state.config.scan_queue_size * 8 => Status::Degraded,
        None => Status::Healthy,
    };
    let shown = problem.filter(|_| shows_figures);
    ScanWriterCheck {
        status,
        problem: shown,
        detail: shown.map(WriteProblem::advice),
        last_write_seconds: health.age().filter(|_| shows_figures).map(|age| (age.as_secs_f64() * 1e3).round() / 1e3),
        waiting_scans: shows_figures.then_some(waiting),
    }
}

async fn database_status(state: &AppState) -> Status {
    let check = async { sql("SELECT 1").execute_on(&mut *state.pool.get().await?).await.map_err(crate::error::Error::from) };
    match tokio::time::timeout(CHECK_TIMEOUT, check).await {
        Ok(Ok(_)) => Status::Healthy,
        Ok(Err(_)) | Err(_) => Status::Unhealthy,
    }
}

/// Nobody takes jobs when every worker has died or is stuck.
async fn jobs_status(state: &AppState) -> (Status, Option<i64>) {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        waiting: i64,
        #[diesel(sql_type = Bool)]
        is_late: bool,
    }
    let check = async {
        let query =
            sql("SELECT count(*) AS waiting, coalesce(bool_or(status = 'queued' AND run_at < now() - interval '10 minutes'), false) AS is_late \
                         FROM jobs WHERE status IN ('queued', 'running')");
        let rows: Vec<Row> = query.load(&mut *state.pool.get().await?).await?;
        Ok::<_, crate::error::Error>(rows.into_iter().next())
    };
    match tokio::time::timeout(CHECK_TIMEOUT, check).await {
        Ok(Ok(Some(row))) => (if row.is_late { Status::Degraded } else { Status::Healthy }, Some(row.waiting)),
        // That the database is away is told by its own check.
        _ => (Status::Degraded, None),
    }
}

fn background_tasks_check(state: &AppState, req: &HttpRequest) -> BackgroundTasksCheck {
    let tasks = state.background.tasks();
    let is_healthy = tasks.iter().all(|task| task.state == TaskState::Ok);
    // An API key acts for a machine, within its scopes.
    let is_admin = |caller: Caller| caller.role == Role::Admin && caller.session_id().is_some();
    let shows_tasks = authenticate(req).is_ok_and(is_admin);
    BackgroundTasksCheck { status: if is_healthy { Status::Healthy } else { Status::Degraded }, tasks: shows_tasks.then_some(tasks) }
}

/// Reads go to the primary where replicas are left out: that is slower, not wrong.
fn replicas_check(state: &AppState, shows_figures: bool) -> ReplicasCheck {
    let figures = state.replicas.figures();
    let healthy = figures.iter().filter(|replica| replica.is_healthy).count();
    let status = match figures.len() {
        0 => Status::NotConfigured,
        all if all == healthy => Status::Healthy,
        _ => Status::Degraded,
    };
    let shown = |figure: usize| (shows_figures && status != Status::NotConfigured).then_some(figure);
    let lag_seconds = figures.iter().filter_map(|replica| replica.lag_seconds).max_by(f64::total_cmp).filter(|_| shows_figures);
    ReplicasCheck { status, configured: shown(figures.len()), healthy: shown(healthy), lag_seconds }
}

/// A scan of a month without its partition is kept, but in the one for all others, which no retention drops.
async fn partitions_check(state: &AppState) -> PartitionsCheck {
    let check = async { Ok::<_, crate::error::Error>(partitions::figures(&mut *state.pool.get().await?).await?) };
    match tokio::time::timeout(CHECK_TIMEOUT, check).await {
        Ok(Ok(all)) if all.iter().all(PartitionFigures::is_healthy) => PartitionsCheck { status: Status::Healthy, repair_command: None },
        Ok(Ok(_)) => PartitionsCheck { status: Status::Degraded, repair_command: Some(partitions::REPAIR_COMMAND) },
        // That the database is away is told by its own check.
        _ => PartitionsCheck { status: Status::Degraded, repair_command: None },
    }
}

/// Redis holds only what may be lost: without it the API goes on, degraded.
async fn redis_status(state: &AppState) -> Status {
    match &state.redis {
        None => Status::NotConfigured,
        Some(redis) => {
            if tokio::time::timeout(CHECK_TIMEOUT, redis.ping()).await.unwrap_or(false) {
                Status::Healthy
            } else {
                Status::Degraded
            }
        }
    }
}

/// Used per cent, as `df` counts them: of what is used and what may be used, without what is kept for others; and free
/// gigabytes (10⁹ bytes).
fn disk_usage(folder: &std::path::Path) -> Option<(f64, f64)> {
    // The folder is made at the first start of the embedded database; until then the one it will be in counts.
    let existing = folder.ancestors().find(|folder| folder.exists()).unwrap_or(std::path::Path::new("."));
    let stat = rustix::fs::statvfs(existing).ok()?;
    let block = stat.f_frsize as f64;
    let (used, free) = (stat.f_blocks.saturating_sub(stat.f_bfree) as f64 * block, stat.f_bavail as f64 * block);
    let rounded = |value: f64| (value * 10.0).round() / 10.0;
    (used + free > 0.0).then(|| (rounded(used / (used + free) * 100.0), rounded(free / 1e9)))
}

/// Show metrics.
#[utoipa::path(
    operation_id = "get_metrics", tag = "health",
    responses((status = 200, description = "Metrics in the Prometheus text format", content_type = "text/plain", body = String), Always), security(()),
)]
#[get("/metrics")]
pub async fn get_metrics(state: web::Data<AppState>) -> impl Responder {
    let pool = state.pool.status();
    ::metrics::gauge!("db_pool_size").set(pool.max_size as f64);
    ::metrics::gauge!("db_pool_connections").set(pool.size as f64);
    ::metrics::gauge!("db_pool_available").set(pool.available as f64);
    ::metrics::gauge!("db_pool_waiting").set(pool.waiting as f64);
    ::metrics::gauge!("scan_writer_queue_scans").set(state.part::<ScanWriter>().waiting() as f64);
    if let Some(age) = state.part::<ScanWriter>().health().age() {
        ::metrics::gauge!("last_write_age_seconds").set(age.as_secs_f64());
    }
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics::handle().render())
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(get_liveness).service(get_readiness).service(get_health).service(get_detailed_health).service(get_metrics);
}

/// The same operations for load balancers that send HEAD.
pub fn head_routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/health/live", web::head().to(async || HttpResponse::Ok().json(Health { status: Status::Healthy })));
    for path in ["/health/ready", "/health"] {
        cfg.route(path, web::head().to(async |state: web::Data<AppState>| readiness(&state)));
    }
    let detailed = async |state: web::Data<AppState>, req: HttpRequest| detailed(&state, &req).await;
    cfg.route("/api/health/detailed", web::head().to(detailed));
}
