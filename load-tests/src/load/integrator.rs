//! Another system with an API key: sends batches of scans, pages through bags, and creates bags
//! with idempotency keys.

use std::time::Duration;

use goose::prelude::*;
use serde_json::json;

use super::device;
use super::scene::Scene;
use super::session::{Ask, ask, use_api_key};

pub fn scenario() -> Result<Scenario, GooseError> {
    Ok(scenario!("Integrator")
        .set_weight(1)?
        .set_wait_time(Duration::from_secs(2), Duration::from_secs(5))?
        .register_transaction(transaction!(use_api_key).set_on_start())
        .register_transaction(transaction!(send_scans))
        .register_transaction(transaction!(create_bag))
        .register_transaction(transaction!(read).set_weight(4)?))
}

async fn send_scans(user: &mut GooseUser) -> TransactionResult {
    let scans = device::batch(1);
    device::send(user, &scans).await?;
    Ok(())
}

async fn create_bag(user: &mut GooseUser) -> TransactionResult {
    let scene = Scene::get();
    let code = format!("LK{}-{}", scene.run, scene.number());
    for is_repeat in [false, true] {
        let headers = [("idempotency-key", code.as_str())];
        let body = Some(json!({"qr_code": code, "dispatch_area": "Jaipur"}));
        let create = Ask { method: GooseMethod::Post, path: "/api/v1/bags", name: "/bags", body, headers: &headers, expected: &[201] };
        let answer = ask(user, create).await?;
        if answer.is_replayed != is_repeat {
            scene.ledger.contradict(format!("bag {code} with its idempotency key: replayed is {}, not {is_repeat}", answer.is_replayed));
        }
    }
    Ok(())
}

async fn read(user: &mut GooseUser) -> TransactionResult {
    let page = ask(user, Ask { path: "/api/v1/bags?limit=100", name: "/bags", ..Ask::default() }).await?;
    if let Some(cursor) = page.body["next_cursor"].as_str() {
        ask(user, Ask { path: &format!("/api/v1/bags?limit=100&cursor={cursor}"), name: "/bags (next page)", ..Ask::default() }).await?;
    }
    ask(user, Ask { path: "/api/v1/scans?limit=50", name: "/scans", ..Ask::default() }).await?;
    Ok(())
}
