//! A biller: creates a bill, adds parents that packers have filled, finishes it, and reads its
//! report.

use std::time::Duration;

use goose::prelude::*;
use serde_json::json;

use super::scene::Scene;
use super::session::{Ask, ask, sign_in_biller};

const PARENTS: usize = 10;

pub fn scenario() -> Result<Scenario, GooseError> {
    Ok(scenario!("Biller")
        .set_weight(1)?
        .set_wait_time(Duration::from_secs(2), Duration::from_secs(6))?
        .register_transaction(transaction!(sign_in_biller).set_on_start())
        .register_transaction(transaction!(create_bill))
        .register_transaction(transaction!(browse).set_weight(4)?))
}

async fn create_bill(user: &mut GooseUser) -> TransactionResult {
    let scene = Scene::get();
    let parents: Vec<String> = {
        let mut filled = scene.filled.lock().expect("no thread panics while it holds the lock");
        let count = filled.len().min(PARENTS);
        filled.drain(..count).collect()
    };
    if parents.is_empty() {
        return Ok(());
    }
    // The vehicle number is the idempotency key: two bills with the same vehicle would be one bill
    // that was created twice.
    let vehicle = format!("LT{}-{}", scene.run, scene.number());
    let body = json!({"destination": "Jaipur", "vehicle_number": vehicle, "expected_parent_bags": parents.len()});
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let headers = [("idempotency-key", vehicle.as_str())];
        let create =
            Ask { method: GooseMethod::Post, path: "/api/v1/bills", name: "/bills", body: Some(body.clone()), headers: &headers, expected: &[201] };
        numbers.push(ask(user, create).await?.body["bill_number"].as_str().unwrap_or_default().to_owned());
    }
    if numbers[0] != numbers[1] {
        scene.ledger.contradict(format!("one idempotency key created bills {} and {}", numbers[0], numbers[1]));
    }
    let bill = format!("/api/v1/bills/{}", numbers[0]);
    let body = json!({"qr_codes": parents});
    let add = Ask { method: GooseMethod::Post, path: &format!("{bill}/bags"), name: "/bills/{bill_number}/bags", body: Some(body), ..Ask::default() };
    let added = ask(user, add).await?;
    for result in added.body["results"].as_array().into_iter().flatten().filter(|result| result["outcome"] != "added") {
        scene.ledger.contradict(format!("a full parent was not added to a bill: {result}"));
    }
    let finish = Ask { method: GooseMethod::Post, path: &format!("{bill}/finish"), name: "/bills/{bill_number}/finish", ..Ask::default() };
    ask(user, finish).await?;
    ask(user, Ask { path: &format!("{bill}/report?format=json"), name: "/bills/{bill_number}/report", ..Ask::default() }).await?;
    Ok(())
}

async fn browse(user: &mut GooseUser) -> TransactionResult {
    ask(user, Ask { path: "/api/v1/bills?limit=20", name: "/bills", ..Ask::default() }).await?;
    ask(user, Ask { path: "/api/v1/bags?kind=parent&status=completed&billed=false&limit=20", name: "/bags (to be billed)", ..Ask::default() })
        .await?;
    Ok(())
}
