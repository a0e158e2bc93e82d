//! One small write a second, so that it is known whether scans can be written when none come.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::scans::record_scans::ScanWriter;

/// How often, where no scans are written.
const INTERVAL: Duration = Duration::from_secs(1);
/// After a commit this young there is nothing to find out.
const KNOWN: Duration = Duration::from_millis(500);
/// The start of the server waits this long for the first.
const FIRST_LIMIT: Duration = Duration::from_secs(5);

/// The first heartbeat, so that a process is ready as soon as it listens. One that fails keeps nothing from starting: readiness
/// says so.
pub async fn begin(writer: &ScanWriter) {
    let _not_ready_yet = timeout(FIRST_LIMIT, writer.heartbeat()).await;
}

/// Writes until the task is aborted, by way of the scan writer, as a scan would be written. Waits for each answer: however stuck
/// the writer is, one heartbeat waits in its queue.
pub async fn keep_beating(writer: ScanWriter) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let is_known = writer.health().age().is_some_and(|age| age < KNOWN);
        if !is_known && let Err(error) = writer.heartbeat().await {
            tracing::debug!(%error, "no heartbeat was written");
        }
    }
}
