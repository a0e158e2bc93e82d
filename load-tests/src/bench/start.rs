//! The cost of an idle server: start time, memory, size.

use std::time::Duration;

use super::stage::Stage;
use super::table::{Aim, Line, median};
use crate::process::resident_mb;

const STARTS: usize = 5;
/// Time until the background work of the start-up is done.
const SETTLED: Duration = Duration::from_secs(3);

pub fn measure(stage: &mut Stage) -> anyhow::Result<Vec<Line>> {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(stage.server.restart()?.as_secs_f64());
    }
    std::thread::sleep(SETTLED);
    let idle = resident_mb(stage.server.pid())?;
    let size = std::fs::metadata(&stage.options.binary)?.len() as f64 / 1024.0 / 1024.0;
    Ok(vec![
        Line::figure("start", "Start to ready, including PostgreSQL, without migrations", median(starts.into_iter()), "s", Aim::Below(0.3)),
        Line::figure("idle_memory", "Memory of the idle process", idle, "MB", Aim::Below(40.0)),
        Line::figure("binary", "Size of the binary, including the web app", size, "MB", Aim::Stated),
    ])
}
