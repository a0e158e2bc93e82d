//! All bags as NDJSON, compared with `COPY … TO STDOUT` of the same rows, and the memory usage.

use std::time::Instant;

use anyhow::ensure;
use futures_util::TryStreamExt;

use super::lookups::SELECT;
use super::stage::Stage;
use super::table::{Aim, Line, Rounds};
use crate::block_on;
use crate::process::{MemoryWatch, resident_mb};

const ROUNDS: u32 = 2;

pub fn measure(stage: &mut Stage) -> anyhow::Result<Vec<Line>> {
    // Memory that other measurements left to the allocator would hide the usage of the export.
    stage.server.restart()?;
    let idle = resident_mb(stage.server.pid())?;
    let rows: f64 = stage.tools.sql("SELECT count(*) FROM bags")?.parse()?;
    let mut rounds = Rounds::default();
    let watch = MemoryWatch::start(stage.server.pid());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let exported = export(stage)?;
        ensure!(exported as f64 == rows, "only {exported} of {rows} bags were exported");
        let ours = rows / started.elapsed().as_secs_f64();
        let started = Instant::now();
        stage.tools.discard(&format!("COPY ({SELECT} ORDER BY b.id DESC) TO STDOUT"))?;
        rounds.add(ours, rows / started.elapsed().as_secs_f64());
    }
    let more = watch.most_mb() - idle;
    Ok(vec![
        rounds.rates("export", "Export of all bags as NDJSON, rows", "COPY of the same rows", Aim::AtLeast(0.5)),
        Line::figure("export_memory", "Memory of the process above idle during the export", more, "MB", Aim::AtMost(64.0)),
    ])
}

fn export(stage: &Stage) -> anyhow::Result<usize> {
    block_on(async {
        let url = format!("http://{}/api/v1/exports/bags?format=ndjson", stage.server.address);
        let answer = reqwest::Client::new().get(url).bearer_auth(&stage.admin[0]).send().await?.error_for_status()?;
        let lines = answer.bytes_stream().try_fold(0, async |lines, chunk| Ok(lines + chunk.iter().filter(|byte| **byte == b'\n').count()));
        Ok(lines.await?)
    })
}
