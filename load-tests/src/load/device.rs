//! A device that was offline: it sends its collected scans at once, and sends them again because
//! the response seemed lost.

use std::time::Duration;

use goose::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::scene::Scene;
use super::session::{Answer, Ask, ask, sign_in_packer};
use crate::people::CHILDREN;

/// A batch that is refused with `Retry-After` this many times has failed.
const MAX_ATTEMPTS: u32 = 30;
/// Parents in a queue: 93 to 496 scans.
const PARENTS: std::ops::Range<u64> = 3..17;

pub fn scenario() -> Result<Scenario, GooseError> {
    Ok(scenario!("Device")
        .set_wait_time(Duration::from_millis(500), Duration::from_secs(2))?
        .register_transaction(transaction!(sign_in_packer).set_on_start())
        .register_transaction(transaction!(reconnect)))
}

async fn reconnect(user: &mut GooseUser) -> TransactionResult {
    let span = PARENTS.end - PARENTS.start;
    let scans = batch(PARENTS.start + Scene::get().number() % span);
    let first = send(user, &scans).await?;
    // The same ids: nothing may be done twice, and the results must be the same.
    let second = send(user, &scans).await?;
    if first.status == 200 && second.status == 200 && outcomes(&first) != outcomes(&second) {
        Scene::get().ledger.contradict("a repeated batch got a different response".into());
    }
    Ok(())
}

/// Scans of some parents, each opened and filled, with ids created by the client.
pub fn batch(parents: u64) -> Vec<(Uuid, Value)> {
    let scene = Scene::get();
    let mut scans = Vec::new();
    for _ in 0..parents {
        let parent = scene.new_parent();
        let mut add = |mut scan: Value| {
            let id = scene.ledger.new_scan();
            scan["id"] = json!(id.to_string());
            scans.push((id, scan));
        };
        add(json!({"qr_code": parent, "source": "wedge"}));
        for child in 0..CHILDREN {
            add(json!({"qr_code": format!("L{}-{child}", &parent[2..]), "parent_qr_code": parent, "source": "wedge"}));
        }
    }
    scans
}

/// Sends a batch and records the acknowledgements. While the server's queue is full, it waits as
/// long as the response says, like the station.
pub async fn send(user: &mut GooseUser, scans: &[(Uuid, Value)]) -> Result<Answer, Box<TransactionError>> {
    let body = json!({"scans": scans.iter().map(|(_, scan)| scan).collect::<Vec<_>>()});
    let mut attempts = 0;
    let answer = loop {
        attempts += 1;
        let expected: &[u16] = if attempts < MAX_ATTEMPTS { &[200, 503] } else { &[200] };
        let path = "/api/v1/scans/batch";
        let batch = Ask { method: GooseMethod::Post, path, name: "/scans/batch", body: Some(body.clone()), expected, ..Ask::default() };
        let answer = ask(user, batch).await?;
        match answer.retry_after.filter(|_| answer.status == 503 && attempts < MAX_ATTEMPTS) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => break answer,
        }
    };
    let ledger = &Scene::get().ledger;
    for result in answer.body["results"].as_array().into_iter().flatten() {
        let id = result["id"].as_str().and_then(|id| Uuid::try_parse(id).ok());
        match (id, result["outcome"].as_str()) {
            (Some(id), Some(outcome @ ("opened" | "linked"))) => ledger.acknowledge(id, outcome),
            _ => ledger.contradict(format!("a valid scan of a batch was refused: {result}")),
        }
    }
    Ok(answer)
}

fn outcomes(answer: &Answer) -> Vec<&Value> {
    answer.body["results"].as_array().into_iter().flatten().map(|result| &result["outcome"]).collect()
}
