//! Tasks that panic, fail, end or hang, under the real driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use super::schedule::BackOff;
use super::status::{Kind, TaskRecord};
use super::{BackgroundStatus, BackgroundTask, Driver, RunResult, Schedule, TaskState};

const SHORT: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_secs(20);
const FOREVER: Duration = Duration::from_secs(100_000);

/// Restarts what panics after a short time, so that the tests need not wait.
fn driver() -> Driver {
    Driver::with_back_off(BackOff { first: SHORT, max: 2 * SHORT })
}

/// Waits until the first task is in this state. The limit only ends a test that has failed.
async fn until(driver: &Driver, is_reached: impl Fn(&BackgroundTask) -> bool) -> BackgroundTask {
    let reached = async {
        loop {
            let task = driver.status().tasks().remove(0);
            if is_reached(&task) {
                return task;
            }
            tokio::time::sleep(SHORT).await;
        }
    };
    let task = tokio::time::timeout(LIMIT, reached).await;
    task.unwrap_or_else(|_| panic!("never reached: {:?}", driver.status().tasks()))
}

#[tokio::test]
async fn a_task_that_panics_runs_again() {
    let mut driver = driver();
    let runs = Arc::new(AtomicU32::new(0));
    driver.register("panics_twice", Schedule::every(SHORT).starting_at_once(), {
        let runs = runs.clone();
        move || {
            let run = runs.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(run >= 2, "panic number {run}");
                Ok(format!("run {run}"))
            }
        }
    });
    let task = until(&driver, |task| task.last_result == Some(RunResult::Succeeded)).await;
    assert!(task.runs >= 3, "{task:?}");
    assert_eq!((task.failures, task.state), (2, TaskState::Ok));
    assert!(task.last_detail.is_some_and(|detail| detail.starts_with("run ")));
    driver.stop().await;
}

#[tokio::test]
async fn a_panic_while_the_future_is_created_is_caught_too() {
    let mut driver = driver();
    let runs = AtomicU32::new(0);
    driver.register("panics_before_the_future", Schedule::every(SHORT), move || {
        assert!(runs.fetch_add(1, Ordering::Relaxed) > 0, "no future");
        std::future::ready(Ok(String::new()))
    });
    let task = until(&driver, |task| task.last_result == Some(RunResult::Succeeded)).await;
    assert_eq!((task.failures, task.last_detail), (1, None));
    driver.stop().await;
}

#[tokio::test]
async fn a_panic_is_recorded_with_its_message_and_delays_the_next_run() {
    let mut driver = Driver::with_back_off(BackOff { first: FOREVER, max: FOREVER });
    let wake = Arc::new(Notify::new());
    let schedule = Schedule::every(SHORT).woken_by(wake.clone());
    driver.register("panics", schedule, || async { panic!("out of paper") });
    let task = until(&driver, |task| task.last_result.is_some()).await;
    assert_eq!(task.last_result, Some(RunResult::Panicked));
    assert_eq!(task.last_detail.as_deref(), Some("out of paper"));
    // The back-off is longer than the period, and a notification does not shorten it.
    wake.notify_one();
    tokio::time::sleep(20 * SHORT).await;
    assert_eq!(driver.status().tasks()[0].runs, 1);
    driver.stop().await;
}

#[tokio::test]
async fn a_task_that_fails_three_times_in_a_row_is_failing_until_it_succeeds() {
    let mut driver = driver();
    let is_repaired = Arc::new(Semaphore::new(0));
    driver.register("fails", Schedule::every(SHORT), {
        let is_repaired = is_repaired.clone();
        move || {
            let is_repaired = is_repaired.available_permits() > 0;
            async move {
                anyhow::ensure!(is_repaired, "no connection");
                Ok(String::new())
            }
        }
    });
    let task = until(&driver, |task| task.state == TaskState::Failing).await;
    assert!(task.failures >= 3, "{task:?}");
    assert_eq!(task.last_result, Some(RunResult::Failed));
    assert_eq!(task.last_detail.as_deref(), Some("no connection"));
    is_repaired.add_permits(1);
    let task = until(&driver, |task| task.last_result == Some(RunResult::Succeeded)).await;
    assert_eq!(task.state, TaskState::Ok);
    driver.stop().await;
}

#[tokio::test]
async fn a_service_that_panics_or_returns_is_started_again() {
    let mut driver = driver();
    let starts = AtomicU32::new(0);
    driver.register_service("unsteady", move || {
        let start = starts.fetch_add(1, Ordering::Relaxed);
        async move {
            match start {
                0 => panic!("at once"),
                1 => Ok(()),
                2 => anyhow::bail!("no connection"),
                _ => std::future::pending().await,
            }
        }
    });
    let task = until(&driver, |task| task.runs == 4).await;
    assert!(task.is_running);
    assert_eq!((task.failures, task.period_seconds), (3, None));
    assert_eq!(task.last_detail.as_deref(), Some("no connection"));
    driver.stop().await;
}

#[tokio::test]
async fn a_notification_starts_a_run_early() {
    let mut driver = driver();
    let wake = Arc::new(Notify::new());
    driver.register("waits", Schedule::every(FOREVER).woken_by(wake.clone()), || async { Ok(String::new()) });
    wake.notify_one();
    let task = until(&driver, |task| task.runs == 1).await;
    assert_eq!(task.period_seconds, Some(FOREVER.as_secs_f64()));
    driver.stop().await;
}

#[tokio::test]
async fn a_stop_lets_a_run_finish_and_drops_everything() {
    let mut driver = driver();
    let (begun, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let held = Arc::new(AtomicU32::new(0));
    driver.register("in_the_middle", Schedule::every(FOREVER).starting_at_once(), {
        let (begun, may_end, held) = (begun.clone(), may_end.clone(), held.clone());
        move || {
            let (begun, may_end, held) = (begun.clone(), may_end.clone(), held.clone());
            async move {
                begun.notify_one();
                may_end.notified().await;
                held.fetch_add(1, Ordering::Relaxed);
                Ok(String::new())
            }
        }
    });
    driver.register_service("never_ends", {
        let held = held.clone();
        move || {
            let held = held.clone();
            async move {
                let _held = held;
                std::future::pending().await
            }
        }
    });
    begun.notified().await;
    let status = driver.status();
    let (_, ()) = tokio::join!(driver.stop(), async { may_end.notify_one() });
    assert_eq!(held.load(Ordering::Relaxed), 1, "the run finished");
    assert_eq!(Arc::strong_count(&held), 1, "the tasks are dropped");
    assert_eq!(status.tasks().len(), 2);
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_overdue() {
    let status = BackgroundStatus::default();
    let kind = |max_run| Kind::Periodic { period: SHORT, max_run };
    let slow = status.add(TaskRecord::new("slow".to_owned(), kind(Duration::ZERO)));
    let patient = status.add(TaskRecord::new("patient".to_owned(), kind(FOREVER)));
    slow.begin();
    patient.begin();
    tokio::time::sleep(SHORT).await;
    let states: Vec<TaskState> = status.tasks().iter().map(|task| task.state).collect();
    assert_eq!(states, [TaskState::Overdue, TaskState::Ok]);
    slow.end(RunResult::Succeeded, "");
    assert_eq!(status.tasks()[0].state, TaskState::Ok);
}

#[test]
fn the_back_off_doubles_up_to_its_maximum() {
    let seconds: Vec<u64> = (1..=8).map(|n| BackOff::default().after(n).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(BackOff::default().after(u32::MAX).as_secs(), 60);
}

#[test]
#[should_panic(expected = "two tasks are named twice")]
fn two_tasks_of_one_name_are_refused() {
    let status = BackgroundStatus::default();
    let kind = || Kind::Service { stable_after: SHORT };
    status.add(TaskRecord::new("twice".to_owned(), kind()));
    status.add(TaskRecord::new("twice".to_owned(), kind()));
}
