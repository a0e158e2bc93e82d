//! Writes a small row once a second, so that readiness knows whether scans can be written even when
//! there are none.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::scans::record_scans::ScanWriter;

/// Interval of heartbeats while no scans are written.
const INTERVAL: Duration = Duration::from_secs(1);
/// No heartbeat is needed after a commit this recent.
const RECENT: Duration = Duration::from_millis(500);
/// The start of the server waits this long for the first heartbeat.
const FIRST_TIMEOUT: Duration = Duration::from_secs(5);

/// Writes the first heartbeat, so that a process is ready as soon as it listens. A failure does not
/// prevent the start: readiness reports it.
pub async fn write_first(writer: &ScanWriter) {
    let _not_ready_yet = timeout(FIRST_TIMEOUT, writer.heartbeat()).await;
}

/// Writes heartbeats through the scan writer until the task is aborted. At most one is in the
/// queue, because each is awaited.
pub async fn run(writer: ScanWriter) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let is_recent = writer.health().age().is_some_and(|age| age < RECENT);
        if !is_recent && let Err(error) = writer.heartbeat().await {
            tracing::debug!(%error, "heartbeat failed");
        }
    }
}
