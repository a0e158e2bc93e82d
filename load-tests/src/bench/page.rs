//! The scan station in a browser, with an empty cache and with a warm one. A script with
//! Playwright's Chromium measures it.

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::stage::Stage;
use super::table::{Aim, Line};
use crate::server::ADMIN;

pub fn measure(stage: &Stage) -> anyhow::Result<Vec<Line>> {
    let output = Command::new("node")
        .args(["scripts/page-load.mjs", &format!("http://{}", stage.server.address), ADMIN.0, ADMIN.1])
        .current_dir("frontend")
        .output()
        .context("Node.js is not installed")?;
    ensure!(output.status.success(), "page-load.mjs: {}", String::from_utf8_lossy(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout)?;
    let mut lines = Vec::new();
    for (visit, keys) in
        [("cold", ["page_cold_bytes", "page_cold_requests", "page_cold_ms"]), ("warm", ["page_warm_bytes", "page_warm_requests", "page_warm_ms"])]
    {
        let figure = |name: &str| figures[visit][name].as_f64().with_context(|| format!("no {name} in {figures}"));
        let line = |key, what: &str, got, unit| Line::figure(key, format!("Scan station in Chromium, {visit}: {what}"), got, unit, Aim::Stated);
        lines.push(line(keys[0], "bytes over the network", figure("bytes")? / 1024.0, "kB"));
        lines.push(line(keys[1], "requests over the network", figure("requests")?, ""));
        lines.push(line(keys[2], "time until it accepts a scan", figure("interactive_ms")?, "ms"));
    }
    Ok(lines)
}
