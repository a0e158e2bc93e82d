//! Writes a small row once a second, so that readiness knows whether scans can be written even when
//! there are none.

use std::time::Duration;

use tokio::time::timeout;

use crate::error::Result;
use crate::scans::record_scans::ScanWriter;

/// Interval of heartbeats while no scans are written.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// No heartbeat is needed after a commit this recent.
const RECENT: Duration = Duration::from_millis(500);
/// The start of the server waits this long for the first heartbeat.
const FIRST_TIMEOUT: Duration = Duration::from_secs(5);

/// Writes the first heartbeat, so that a process is ready as soon as it listens. A failure does not
/// prevent the start: readiness reports it.
pub async fn write_first(writer: &ScanWriter) {
    let _not_ready_yet = timeout(FIRST_TIMEOUT, writer.heartbeat()).await;
}

/// Writes a heartbeat through the scan writer, unless scans were just written. At most one is in
/// the queue, because each is awaited.
///
/// # Errors
/// Fails if scans can't be written.
pub async fn write_if_idle(writer: &ScanWriter) -> Result<()> {
    let is_recent = writer.health().age().is_some_and(|age| age < RECENT);
    if is_recent { Ok(()) } else { writer.heartbeat().await }
}
