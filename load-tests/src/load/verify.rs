//! Afterwards: is everything there that was acknowledged, once, and does every number equal what it counts?

use anyhow::{Context, ensure};
use serde_json::Value;

use super::scene::Scene;
use crate::postgres::Tools;
use crate::server::Server;
use crate::{block_on, say};

/// Scans looked at over the API when the database can't be reached.
const SAMPLE: usize = 1_000;

/// What is wrong with the data.
pub fn verify(server: Option<&Server>, database_url: Option<&str>) -> anyhow::Result<Vec<String>> {
    let scene = Scene::get();
    let mut wrong = scene.ledger.contradictions();
    // The first tells enough; thousands would hide the rest.
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
        "checked {acknowledged} acknowledged scans, every count and every counter: {}",
        if wrong.is_empty() { "all as it should be" } else { "WRONG" }
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
            ensure!(answer.status() == 200 || answer.status() == 404, "asking for a scan was answered {}", answer.status());
            let scan: Value = answer.json().await?;
            if scan["outcome"] != **outcome {
                wrong.push(format!("scan {id} was acknowledged as {outcome}, and is {}", scan["outcome"]));
            }
        }
        say(&format!("looked at {} of {} acknowledged scans; counts can only be checked with --database-url", scans.len().min(SAMPLE), scans.len()));
        wrong.truncate(5);
        Ok(wrong)
    })
}
