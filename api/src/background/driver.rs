//! Runs tasks and services, and restarts them.

use std::any::Any;
use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::schedule::{BackOff, Schedule};
use super::status::{BackgroundStatus, Kind, RunResult, TaskRecord};

/// At the stop of the process, runs get this long to finish. Then they are cancelled.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// A short sentence about what a run did, empty if there is nothing to say; or why it failed.
pub type TaskResult = anyhow::Result<String>;

/// A task that runs periodically. Closures that return a future are tasks; a struct can keep state
/// between runs.
///
/// After a panic the task runs again with the same state, so a run must not leave state behind that
/// is only half changed.
pub trait PeriodicTask: Send + 'static {
    /// Runs once.
    fn run(&mut self) -> impl Future<Output = TaskResult> + Send;
}

impl<F, R> PeriodicTask for F
where
    F: FnMut() -> R + Send + 'static,
    R: Future<Output = TaskResult> + Send,
{
    fn run(&mut self) -> impl Future<Output = TaskResult> + Send {
        self()
    }
}

/// Owns the background tasks of a process. Dropping it cancels them.
pub struct Driver {
    status: BackgroundStatus,
    back_off: BackOff,
    stop: watch::Sender<bool>,
    handles: Vec<JoinHandle<()>>,
}

impl Default for Driver {
    fn default() -> Self {
        Self::with_back_off(BackOff::default())
    }
}

impl Driver {
    pub(super) fn with_back_off(back_off: BackOff) -> Self {
        let (status, stop) = (BackgroundStatus::default(), watch::Sender::new(false));
        Self { status, back_off, stop, handles: Vec::new() }
    }

    /// The status of the tasks. It holds none of them.
    pub fn status(&self) -> BackgroundStatus {
        self.status.clone()
    }

    /// Starts a periodic task. A run that panics is counted as such, and the task goes on with its
    /// next period, later if it panics again.
    ///
    /// # Panics
    /// Panics if a task of this name exists.
    pub fn register(&mut self, name: impl Into<Cow<'static, str>>, schedule: Schedule, task: impl PeriodicTask) {
        let kind = Kind::Periodic { period: schedule.period, max_run: schedule.max_run };
        let runner = self.runner(name.into(), kind);
        self.handles.push(tokio::spawn(runner.run_periodically(schedule, task)));
    }

    /// Starts a service: a future that runs until the process stops. One that panics or returns is
    /// started again after a back-off.
    ///
    /// # Panics
    /// Panics if a task of this name exists.
    pub fn register_service<F, R>(&mut self, name: impl Into<Cow<'static, str>>, service: F)
    where
        F: FnMut() -> R + Send + 'static,
        R: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let kind = Kind::Service { stable_after: self.back_off.max };
        let runner = self.runner(name.into(), kind);
        self.handles.push(tokio::spawn(runner.run_service(service)));
    }

    fn runner(&self, name: Cow<'static, str>, kind: Kind) -> Runner {
        let record = self.status.add(TaskRecord::new(name.into_owned(), kind));
        Runner { record, back_off: self.back_off, stop: self.stop.subscribe() }
    }

    /// Stops all tasks: services at once, periodic tasks after the current run if it ends soon.
    /// After this returns, the tasks and what they held are dropped.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let mut handles = std::mem::take(&mut self.handles);
        let all_ended = futures_util::future::join_all(&mut handles);
        let is_late = tokio::time::timeout(STOP_TIMEOUT, all_ended).await.is_err();
        if is_late {
            for handle in handles.into_iter().filter(|handle| !handle.is_finished()) {
                handle.abort();
                // A cancelled task drops what it holds only when it is awaited.
                let _cancelled = handle.await;
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for handle in &self.handles {
            handle.abort();
        }
    }
}

/// Runs one task.
struct Runner {
    record: Arc<TaskRecord>,
    back_off: BackOff,
    stop: watch::Receiver<bool>,
}

impl Runner {
    async fn run_periodically(mut self, schedule: Schedule, mut task: impl PeriodicTask) {
        let mut delay = schedule.first_delay();
        let mut can_wake = true;
        let mut panics_in_a_row = 0;
        loop {
            self.record.plan(delay);
            if !self.wait(delay, schedule.wake.as_deref().filter(|_| can_wake)).await {
                return;
            }
            let started = Instant::now();
            self.record.begin();
            let (result, detail) = catch_panic(async { task.run().await }).await;
            self.record.end(result, &detail);
            delay = schedule.next_delay(started.elapsed());
            can_wake = result != RunResult::Panicked;
            if result == RunResult::Panicked {
                panics_in_a_row += 1;
                delay = delay.max(self.back_off.after(panics_in_a_row));
            } else {
                panics_in_a_row = 0;
            }
        }
    }

    async fn run_service<F, R>(mut self, mut service: F)
    where
        F: FnMut() -> R + Send + 'static,
        R: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        loop {
            self.record.begin();
            let run = catch_panic(async {
                service().await?;
                anyhow::bail!("the service returned")
            });
            let (result, detail) = tokio::select! {
                ended = run => ended,
                _ = self.stop.wait_for(|is_stopping| *is_stopping) => return,
            };
            let failures = self.record.end(result, &detail);
            let delay = self.back_off.after(failures);
            self.record.plan(delay);
            if !self.wait(delay, None).await {
                return;
            }
        }
    }

    /// Waits for the next run. Returns `false` if the process stops.
    async fn wait(&mut self, delay: Duration, wake: Option<&tokio::sync::Notify>) -> bool {
        let woken = async {
            match wake {
                Some(wake) => wake.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|is_stopping| *is_stopping) => false,
            () = woken => true,
            () = tokio::time::sleep(delay) => true,
        }
    }
}

/// Runs a future to its end, and returns its result and a detail for people.
async fn catch_panic(run: impl Future<Output = TaskResult>) -> (RunResult, String) {
    match AssertUnwindSafe(run).catch_unwind().await {
        Ok(Ok(detail)) => (RunResult::Succeeded, detail),
        Ok(Err(error)) => (RunResult::Failed, format!("{error:#}")),
        Err(panic) => (RunResult::Panicked, panic_message(&*panic)),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let message = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    message.unwrap_or("panic without a message").to_owned()
}
