//! A packer with a scanner: opens a parent, scans thirty children into it, one to three seconds
//! apart, and views the bag now and then.

use std::time::Duration;

use goose::prelude::*;
use serde_json::json;

use super::scene::Scene;
use super::session::{Ask, ask, session, sign_in_packer};
use crate::people::CHILDREN;

/// Pause between two parents: the packer carries the full one away.
const CARRY: Duration = Duration::from_secs(4);

pub fn scenario() -> Result<Scenario, GooseError> {
    Ok(scenario!("Packer")
        .set_weight(3)?
        .set_wait_time(Duration::from_secs(1), Duration::from_secs(3))?
        .register_transaction(transaction!(sign_in_packer).set_on_start())
        .register_transaction(transaction!(scan).set_weight(9)?)
        .register_transaction(transaction!(look)))
}

/// Scans the next bag: a new parent, or a child for the open one.
async fn scan(user: &mut GooseUser) -> TransactionResult {
    match session(user).parent.take() {
        None => {
            let parent = Scene::get().new_parent();
            if record(user, "/scans (parent)", json!({"qr_code": parent, "source": "wedge"})).await? {
                session(user).parent = Some((parent, 0));
            }
        }
        Some((parent, children)) => {
            let child = format!("L{}-{children}", &parent[2..]);
            let is_linked = record(user, "/scans", json!({"qr_code": child, "parent_qr_code": parent, "source": "wedge"})).await?;
            let children = children + u64::from(is_linked);
            if children < CHILDREN {
                session(user).parent = Some((parent, children));
            } else {
                Scene::get().filled.lock().expect("no thread panics while it holds the lock").push_back(parent);
                tokio::time::sleep(CARRY).await;
            }
        }
    }
    Ok(())
}

/// Sends a scan with an id created by the client. Sometimes the response is lost on the way, and
/// the scan is sent again.
async fn record(user: &mut GooseUser, name: &str, mut body: serde_json::Value) -> Result<bool, Box<TransactionError>> {
    let ledger = &Scene::get().ledger;
    let id = ledger.new_scan();
    body["id"] = json!(id.to_string());
    let is_lost = Scene::get().number().is_multiple_of(20);
    let mut is_recorded = false;
    for expected in [201, 200].into_iter().take(1 + usize::from(is_lost)) {
        let again = Ask { method: GooseMethod::Post, path: "/api/v1/scans", name, body: Some(body.clone()), expected: &[expected], ..Ask::default() };
        let answer = ask(user, again).await?;
        if let Some(outcome) = answer.body["outcome"].as_str() {
            ledger.acknowledge(id, outcome);
        }
        is_recorded = answer.status == expected;
    }
    Ok(is_recorded)
}

/// Views the content of the open parent.
async fn look(user: &mut GooseUser) -> TransactionResult {
    let Some((parent, _)) = session(user).parent.clone() else { return Ok(()) };
    ask(user, Ask { path: &format!("/api/v1/bags/{parent}"), name: "/bags/{qr_code}", ..Ask::default() }).await?;
    ask(user, Ask { path: &format!("/api/v1/bags/{parent}/children"), name: "/bags/{qr_code}/children", ..Ask::default() }).await?;
    Ok(())
}
