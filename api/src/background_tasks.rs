//! Every background task of a server process, with its name and schedule, and the kinds of jobs.
//!
//! A name is a verb with its object. It is the label `task` in the metrics, so it stays.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use chrono::Utc;

use crate::access::keys::TokenKeys;
use crate::access::revocations::Revocations;
use crate::access::{keys, revocations};
use crate::background::{Driver, PeriodicTask, Schedule, TaskResult};
use crate::bag_formats::shared as bag_formats;
use crate::bag_formats::shared::SharedFormats;
use crate::db::partitions::{self, PartitionMaintenance};
use crate::db::positions;
use crate::events::hub;
use crate::events::hub::Hub;
use crate::health::heartbeat;
use crate::http::metrics;
use crate::jobs::JobRegistry;
use crate::jobs::worker::Worker;
use crate::reports::end_of_day;
use crate::scans::record_scans::ScanWriter;
use crate::state::AppState;
use crate::system::housekeeping;
use crate::users::erasure;
use crate::{audit, imports, mail};

/// Interval at which the metrics of the past seconds are aggregated.
const METRICS_INTERVAL: Duration = Duration::from_secs(5);
/// A month of the audit log, or the traces of a person, may be millions of rows.
const HOURS: Duration = Duration::from_secs(6 * 60 * 60);
const NO_DETAIL: String = String::new();

type State = web::Data<AppState>;

/// Registers every task that the settings need.
pub fn register_all(driver: &mut Driver, state: &State) {
    register_refreshes(driver, state);
    register_consistency(driver, state);
    register_work(driver, state);
    register_maintenance(driver, state);
}

/// The kinds of jobs. Each feature registers its own.
fn job_registry() -> JobRegistry<State> {
    let mut registry = JobRegistry::default();
    mail::job::register_jobs(&mut registry);
    imports::run_import::register_jobs(&mut registry);
    end_of_day::register_jobs(&mut registry);
    registry
}

/// Gives each run of a task the state.
fn with_state<R>(state: &State, run: impl Fn(State) -> R + Send + 'static) -> impl PeriodicTask
where
    R: Future<Output = TaskResult> + Send + 'static,
{
    let state = state.clone();
    move || run(state.clone())
}

/// What this process holds in memory and other processes may change.
fn register_refreshes(driver: &mut Driver, state: &State) {
    let refresh = with_state(state, |state| async move {
        state.part::<Revocations>().refresh(&state.pool).await?;
        Ok(NO_DETAIL)
    });
    driver.register("refresh_revocations", Schedule::every(revocations::POLL_INTERVAL), refresh);
    if let Some(redis) = state.redis.clone() {
        let state = state.clone();
        driver.register_service("listen_for_revocations", move || {
            let (state, redis) = (state.clone(), redis.clone());
            async move { match state.part::<Revocations>().listen(&redis).await {} }
        });
    }
    let refresh = with_state(state, |state| async move {
        state.part::<SharedFormats>().refresh(&state.pool).await?;
        Ok(NO_DETAIL)
    });
    driver.register("refresh_bag_formats", Schedule::every(bag_formats::POLL_INTERVAL), refresh);
    if state.part::<TokenKeys>().can_change() {
        let refresh = with_state(state, |state| async move {
            state.part::<TokenKeys>().refresh(&state.pool).await?;
            Ok(NO_DETAIL)
        });
        driver.register("refresh_signing_keys", Schedule::every(keys::POLL_INTERVAL), refresh);
    }
}

/// What replicas need, so that users read their own writes.
fn register_consistency(driver: &mut Driver, state: &State) {
    /// Keeps the time of the last advance between runs.
    struct AdvanceLowWatermark(State, Option<std::time::Instant>);

    impl PeriodicTask for AdvanceLowWatermark {
        async fn run(&mut self) -> TaskResult {
            let Self(state, raised_at) = self;
            state.positions.look(&state.pool, raised_at).await?;
            Ok(NO_DETAIL)
        }
    }

    state.replicas.register_probes(driver);
    if state.positions.is_used() {
        let schedule = Schedule::every(positions::LOOK_INTERVAL).starting_at_once();
        let task = AdvanceLowWatermark(state.clone(), None);
        driver.register("advance_low_watermark", schedule, task);
    }
}

/// What users wait for: scans, events, jobs.
fn register_work(driver: &mut Driver, state: &State) {
    let schedule = Schedule::every(heartbeat::INTERVAL).starting_at_once().at_fixed_rate();
    let writer = state.part::<ScanWriter>().clone();
    driver.register("write_heartbeat", schedule, move || {
        let writer = writer.clone();
        async move {
            heartbeat::write_if_idle(&writer).await?;
            Ok(NO_DETAIL)
        }
    });
    let schedule = Schedule::every(hub::POLL_INTERVAL).woken_by(state.part::<Hub>().begun());
    driver.register("publish_events", schedule, hub::Publisher::new(state));
    let (pool, wake_up) = (state.pool.clone(), state.jobs.clone());
    let worker = Arc::new(Worker::new(pool, job_registry(), wake_up, state.clone()));
    driver.register_service("run_jobs", move || {
        let worker = worker.clone();
        async move { match worker.run().await {} }
    });
    if state.config.end_of_day_at.0.is_some() {
        let enqueue = with_state(state, |state| async move {
            let is_enqueued = end_of_day::enqueue_when_due(&state, Utc::now()).await?;
            Ok(if is_enqueued { "enqueued".to_owned() } else { NO_DETAIL })
        });
        let schedule = Schedule::every(end_of_day::INTERVAL);
        driver.register("enqueue_end_of_day_summary", schedule, enqueue);
    }
}

/// What keeps the database and this process in order.
fn register_maintenance(driver: &mut Driver, state: &State) {
    if state.config.audit_retention_days > 0 {
        let archive = with_state(state, |state| async move {
            let (pool, config) = (&state.pool, &state.config);
            let archived = audit::retention::archive_old_months(pool, config, Utc::now());
            let files = archived.await.map_err(|error| error.context("run `api maintenance`"))?;
            Ok(count(files.len(), "month archived", "months archived"))
        });
        let schedule = Schedule::every(audit::retention::INTERVAL).may_take(HOURS);
        driver.register("archive_audit_log", schedule, archive);
    }
    let purge = with_state(state, |state| async move {
        let purged = housekeeping::sweep(&state.pool).await?;
        Ok(count(purged, "row deleted", "rows deleted"))
    });
    let schedule = Schedule::every(housekeeping::INTERVAL).may_take(HOURS);
    driver.register("purge_expired_rows", schedule, purge);
    let finish = with_state(state, |state| async move {
        let finished = erasure::finish_pending(&state).await?;
        Ok(count(finished, "erasure finished", "erasures finished"))
    });
    let schedule = Schedule::every(erasure::INTERVAL).starting_at_once().may_take(HOURS);
    driver.register("finish_erasures", schedule, finish);
    let schedule = Schedule::every(partitions::METRICS_INTERVAL).may_take(HOURS);
    let maintenance = PartitionMaintenance::new(state.pool.clone());
    driver.register("maintain_partitions", schedule, maintenance);
    driver.register("aggregate_metrics", Schedule::every(METRICS_INTERVAL), || async {
        metrics::handle().run_upkeep();
        Ok(NO_DETAIL)
    });
}

/// A detail that says how many; nothing if there are none.
fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        0 => NO_DETAIL,
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}
