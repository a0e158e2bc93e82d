//! Verifies after a run that every acknowledged scan exists exactly once, and that every counter
//! equals what it counts.

use anyhow::{Context, ensure};
use serde_json::Value;

use super::scene::Scene;
use crate::postgres::Tools;
use crate::server::Server;
use crate::{block_on, say};

/// Number of scans that are verified over the API if the database is not accessible.
const SAMPLE: usize = 1_000;

/// Returns the errors in the data.
pub fn verify(server: Option<&Server>, database_url: Option<&str>) -> anyhow::Result<Vec<String>> {
    let scene = Scene::get();
    let mut wrong = scene.ledger.contradictions();
    // The first errors are enough; thousands would hide the rest.
    let more = wrong.len().saturating_sub(5);
    wrong.truncate(5);
    if more > 0 {
        wrong.push(format!("{more} more contradictions"));
    }
    let acknowledged = scene.ledger.acknowledged().len();
    let tools = match (server, database_url) {
        (Some(server), _) => Tools::on_socket(&server.socket)?,
        (None, Some(url)) => Tools::at(url)?,
        (None, None) => {
            wrong.extend(over_the_api()?);
            return Ok(wrong);
        }
    };
    let script = include_str!("verify.sql").replace("{rows}", &scene.ledger.rows()).replace("{run}", &scene.run.to_string());
    for line in tools.sql(&script)?.lines() {
        let (check, count) = line.split_once('|').with_context(|| format!("not a check: {line}"))?;
        if count != "0" {
            wrong.push(format!("{check}: {count}"));
        }
    }
    say(&format!(
        "verified {acknowledged} acknowledged scans, every count and every counter: {}",
        if wrong.is_empty() { "all correct" } else { "WRONG" }
    ));
    Ok(wrong)
}

fn over_the_api() -> anyhow::Result<Vec<String>> {
    let scene = Scene::get();
    let scans = scene.ledger.acknowledged();
    block_on(async {
        let client = reqwest::Client::new();
        let mut wrong = Vec::new();
        let sample = scans.iter().step_by(scans.len().div_ceil(SAMPLE).max(1));
        for (id, outcome) in sample {
            let answer = client.get(format!("{}/api/v1/scans/{id}", scene.base)).bearer_auth(&scene.admin_token).send().await?;
            ensure!(answer.status() == 200 || answer.status() == 404, "reading a scan returned {}", answer.status());
            let scan: Value = answer.json().await?;
            if scan["outcome"] != **outcome {
                wrong.push(format!("scan {id} was acknowledged as {outcome}, but is stored as {}", scan["outcome"]));
            }
        }
        say(&format!("verified {} of {} acknowledged scans; counts can only be verified with --database-url", scans.len().min(SAMPLE), scans.len()));
        wrong.truncate(5);
        Ok(wrong)
    })
}
