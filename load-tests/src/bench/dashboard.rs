//! The dashboard at different database sizes, with the cache cleared before each request: it must
//! be as cheap at 18 million bags as at 18 thousand.

use std::time::Instant;

use anyhow::ensure;

use super::size::shown;
use super::stage::Stage;
use super::table::{Aim, Line, median};
use crate::block_on;
use crate::client::{Connection, Latencies, latencies, note, percentile, request};

const LOOKS: u32 = 150;
/// What the overview page requests in addition to the totals.
const OTHERS: [&str; 3] = ["/api/v1/stats/scans-per-hour?hours=168", "/api/v1/stats/recent?limit=10", "/api/v1/stats/people"];

/// Measures in rounds, on servers that all run at the same time.
pub fn measure(stages: &[&Stage]) -> anyhow::Result<Vec<Line>> {
    let rounds = stages[0].options.rounds;
    let mut totals: Vec<Vec<f64>> = vec![Vec::new(); stages.len()];
    let mut pages = totals.clone();
    for _ in 0..rounds {
        for (n, stage) in stages.iter().enumerate() {
            let (of_totals, of_page) = block_on(look(stage))?;
            totals[n].push(percentile(&of_totals, 0.5));
            pages[n].push(percentile(&of_page, 0.5));
        }
    }
    let sizes: Vec<String> = stages.iter().map(|stage| shown(stage.bags)).collect();
    let line = |key, what: &str, figures: &[Vec<f64>], aim| {
        let medians: Vec<f64> = figures.iter().map(|rounds| median(rounds.iter().copied())).collect();
        let slowest = medians.iter().copied().fold(f64::MIN, f64::max);
        let fastest = medians.iter().copied().fold(f64::MAX, f64::min);
        let each: Vec<String> = medians.iter().map(|ms| format!("{ms:.2}")).collect();
        let what = format!("{what}, uncached, at {}: slowest to fastest", sizes.join(", "));
        Line { key, what, ours: format!("{} ms", each.join(", ")), theirs: String::new(), got: slowest / fastest, unit: "×", aim }
    };
    Ok(vec![
        line("dashboard_totals", "Totals of the dashboard", &totals, Aim::AtMost(1.2)),
        line("dashboard_page", "All four calls of the overview", &pages, Aim::Stated),
    ])
}

async fn look(stage: &Stage<'_>) -> anyhow::Result<(Latencies, Latencies)> {
    let mut connection = Connection::open(&stage.server.address).await?;
    let token = &stage.admin[0];
    let clear = request("POST", "/api/v1/admin/cache/clear", token, "", "");
    let totals = request("GET", "/api/v1/stats", token, "", "");
    let others = OTHERS.map(|path| request("GET", path, token, "", ""));
    let (mut of_totals, mut of_page) = (latencies(), latencies());
    for _ in 0..LOOKS {
        let status = connection.exchange(&clear).await?;
        ensure!(matches!(status, 200 | 204), "clearing the cache returned {status}");
        let started = Instant::now();
        ensure!(connection.exchange(&totals).await? == 200, "{}", connection.head());
        note(&mut of_totals, started.elapsed());
        for other in &others {
            ensure!(connection.exchange(other).await? == 200, "{}", connection.head());
        }
        note(&mut of_page, started.elapsed());
    }
    Ok((of_totals, of_page))
}
