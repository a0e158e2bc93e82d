//! The background driver: runs every periodic task and every service of this process.
//!
//! A task is registered with a name and a [`Schedule`]. The driver runs it, catches its panics and
//! runs it again. It records each run in memory ([`BackgroundStatus`], for the detailed health) and
//! in the metrics `background_task_*`. A service is a future that runs as long as the process, such
//! as a listener or a job worker. The driver restarts a service that panics or returns.
//!
//! Imports no feature. A feature provides the task; the application registers it.

mod driver;
mod metrics;
mod schedule;
mod status;
#[cfg(test)]
mod tests;

pub use driver::{Driver, PeriodicTask, TaskResult};
pub use schedule::Schedule;
pub use status::{BackgroundStatus, BackgroundTask, RunResult, TaskState};
