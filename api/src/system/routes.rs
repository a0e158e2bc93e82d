//! The HTTP API of the system status, for admins.

use actix_web::{HttpRequest, HttpResponse, Responder, get, post, web};
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::queries::{self, DatabaseFigures, JobFigures, TableFigures};
use crate::audit::{self, Action, Actor, Entity, Entry};
use crate::bags::kept_bags::KeptBags;
use crate::db::index_report::{self, IndexFigures};
use crate::db::partitions::{self, PartitionFigures};
use crate::db::replicas::ReplicaFigures;
use crate::db::sql;
use crate::error::Result;
use crate::http::page::{Limit, Page, Position};
use crate::http::query::Query;
use crate::http::responses::{Always, SignedIn, WithQuery};
use crate::identity::client::Client;
use crate::identity::{Admin, RequireRole};
use crate::jobs::model::{Job, JobStatus};
use crate::jobs::queue;
use crate::scans::record_scans::ScanWriter;
use crate::state::AppState;

/// The pool of database connections of this process.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoolFigures {
    pub max_size: usize,
    pub size: usize,
    pub available: usize,
    /// Requests that wait for a connection.
    pub waiting: usize,
}

/// The status of the system.
#[derive(Debug, Serialize, ToSchema)]
pub struct SystemReport {
    /// Version of TraitorTrack.
    #[schema(example = "0.1.0")]
    pub version: &'static str,
    pub pool: PoolFigures,
    /// Scans that are waiting for the scan writer of this process.
    pub waiting_scans: usize,
    /// Approximate number of responses in the caches of this process.
    pub cached_answers: u64,
    /// Memory of this process, in bytes; null if the operating system does not report it.
    #[schema(required)]
    pub memory_bytes: Option<u64>,
    #[schema(required)]
    pub database: Option<DatabaseFigures>,
    pub largest_tables: Vec<TableFigures>,
    /// The monthly partitions of each partitioned table.
    pub partitions: Vec<PartitionFigures>,
    /// Indexes that are unused, duplicate, bloated or invalid, the largest first.
    pub index_findings: Vec<IndexFigures>,
    pub jobs: Vec<JobFigures>,
    /// `healthy`, `degraded` or `not_configured`.
    #[schema(example = "healthy")]
    pub redis: &'static str,
    /// Replicas of the database, in the order of the settings; empty by default.
    pub replicas: Vec<ReplicaFigures>,
}

/// Filters and pagination of the list of jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListJobsQuery {
    /// `email`, `import` or `end_of_day`.
    pub kind: Option<String>,
    pub status: Option<JobStatus>,
    /// Rows per page.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    pub limit: Limit,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// Show the status of the system.
#[utoipa::path(
    operation_id = "get_system", tag = "admin",
    responses((status = 200, description = "Pools, memory, database, indexes, jobs", body = SystemReport), Always, SignedIn),
)]
#[get("/admin/system")]
pub async fn get_system(_admin: RequireRole<Admin>, state: web::Data<AppState>) -> Result<impl Responder> {
    let pool = state.pool.status();
    let redis = match &state.redis {
        None => "not_configured",
        Some(redis) if redis.ping().await => "healthy",
        Some(_) => "degraded",
    };
    let mut conn = state.pool.get().await?;
    Ok(web::Json(SystemReport {
        version: env!("CARGO_PKG_VERSION"),
        pool: PoolFigures { max_size: pool.max_size, size: pool.size, available: pool.available, waiting: pool.waiting },
        waiting_scans: state.part::<ScanWriter>().waiting(),
        cached_answers: state.cache.kept() + state.part::<KeptBags>().count(),
        memory_bytes: memory_bytes(),
        database: queries::database(&mut conn).await?,
        largest_tables: queries::largest_tables(&mut conn).await?,
        partitions: partitions::figures(&mut conn).await?,
        index_findings: index_report::findings(&mut conn).await?,
        jobs: queries::jobs(&mut conn).await?,
        redis,
        replicas: state.replicas.figures(),
    }))
}

/// List jobs, newest first.
#[utoipa::path(
    operation_id = "list_jobs", tag = "admin", params(ListJobsQuery),
    responses((status = 200, description = "One page of jobs", body = Page<Job>), Always, SignedIn, WithQuery),
)]
#[get("/admin/jobs")]
pub async fn list_jobs(
    _admin: RequireRole<Admin>,
    state: web::Data<AppState>,
    req: HttpRequest,
    query: Query<ListJobsQuery>,
) -> Result<impl Responder> {
    let kind = query.0.kind.map(|kind| kind.replace('\0', ""));
    let filters = format!("{kind:?} {:?}", query.0.status);
    let position = Position::new("jobs", &filters);
    let before: Option<Uuid> = position.key(query.0.cursor.as_deref())?;
    let rows: Vec<Job> = sql(queue::SELECT)
        .sql("WHERE j.id < $1 AND ($2 IS NULL OR j.kind = $2) AND ($3 IS NULL OR j.status = $3::job_status) ORDER BY j.id DESC LIMIT $4")
        .bind::<SqlUuid, _>(before.unwrap_or(Uuid::max()))
        .bind::<Nullable<Text>, _>(kind)
        .bind::<Nullable<Text>, _>(query.0.status.map(JobStatus::as_str))
        .bind::<BigInt, _>(query.0.limit.rows_to_read())
        .load(&mut *state.pool.get().await?)
        .await?;
    Ok(Page::new(rows, query.0.limit, &position, |job| job.id).into_response(&req))
}

/// Clear the caches of every process.
#[utoipa::path(
    operation_id = "clear_cache", tag = "admin",
    responses((status = 204, description = "Cleared"), Always, SignedIn),
)]
#[post("/admin/cache/clear")]
pub async fn clear_cache(admin: RequireRole<Admin>, client: Client, state: web::Data<AppState>) -> Result<impl Responder> {
    let actor = Actor::person(admin.caller.user_id, &admin.caller.username, &client);
    let entry = Entry::new(Action::CacheCleared, Entity::System, "cache");
    audit::record(&mut *state.pool.get().await?, &actor, vec![entry]).await?;
    state.part::<KeptBags>().forget_all();
    state.cache.clear().await;
    Ok(HttpResponse::NoContent().finish())
}

/// Resident memory of this process (Linux: `VmRSS` of /proc/self/status, in kB).
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Registers the routes of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(get_system).service(list_jobs).service(clear_cache);
}
