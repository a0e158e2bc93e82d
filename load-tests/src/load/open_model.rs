//! Sends requests at a fixed rate, whether or not earlier ones are answered, and measures each from
//! the time at which it was due. A closed model waits for a slow server and so sends fewer requests
//! while it is slow; this one does not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use super::ledger::Ledger;
use super::scene::Scene;
use crate::client::{latencies, note, percentile};
use crate::people::{CHILDREN, PASSWORD, login};
use crate::say;

/// One request in this many is a scan; the others are reads.
const SCAN_EVERY: u64 = 5;
/// Parents opened in one call.
const BATCH: usize = 500;

/// Runs the open model. Returns the missed limits.
pub async fn run(rate: u32, lasts: Duration, p99_limit_ms: f64) -> anyhow::Result<Vec<String>> {
    let scene = Scene::get();
    let client = Client::new();
    let token = login(&client, &scene.base, &scene.packers[0], PASSWORD).await?;
    let total = u64::from(rate) * lasts.as_secs();
    let parents = open_parents(&client, &token, (total / SCAN_EVERY / CHILDREN + 1) as usize).await?;
    let (measured, errors, first_error) = (Arc::new(Mutex::new(latencies())), Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None)));
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..total {
        let due = started + Duration::from_secs_f64(n as f64 / f64::from(rate));
        tokio::time::sleep_until(due.into()).await;
        let (request, scan) = nth(&client, scene, &token, &parents, n);
        let (measured, errors, first_error) = (measured.clone(), errors.clone(), first_error.clone());
        tasks.spawn(async move {
            let outcome = answer(request, scan, &scene.ledger).await;
            note(&mut measured.lock().expect("no thread panics while it holds the lock"), due.elapsed());
            if let Err(error) = outcome {
                errors.fetch_add(1, Ordering::Relaxed);
                first_error.lock().expect("no thread panics while it holds the lock").get_or_insert(format!("{error:#}"));
            }
        });
        // Remove finished tasks to limit memory usage.
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
    let measured = measured.lock().expect("no thread panics while it holds the lock");
    let [p50, p90, p99, p999, max] = [0.5, 0.9, 0.99, 0.999, 1.0].map(|share| percentile(&measured, share));
    say(&format!("open model, {rate}/s for {} s: p50 {p50:.1}, p90 {p90:.1}, p99 {p99:.1}, p99.9 {p999:.1}, max {max:.1} ms", lasts.as_secs()));
    let mut misses = Vec::new();
    if p99 >= p99_limit_ms {
        misses.push(format!("the open model's p99 is {p99:.1} ms, not below {p99_limit_ms} ms"));
    }
    if let Some(error) = first_error.lock().expect("no thread panics while it holds the lock").as_ref() {
        misses.push(format!("{} errors in the open model, the first: {error}", errors.load(Ordering::Relaxed)));
    }
    Ok(misses)
}

/// The n-th request, and the id if it is a scan.
fn nth(client: &Client, scene: &Scene, token: &str, parents: &[String], n: u64) -> (RequestBuilder, Option<Uuid>) {
    let get = |path: String| (client.get(format!("{}/api/v1{path}", scene.base)).bearer_auth(token), None);
    match n % SCAN_EVERY {
        0 => {
            let scan = n / SCAN_EVERY;
            let parent = &parents[(scan / CHILDREN) as usize];
            let id = scene.ledger.new_scan();
            let body = json!({"qr_code": format!("L{}-{}", &parent[2..], scan % CHILDREN), "parent_qr_code": parent, "id": id, "source": "wedge"});
            (client.post(format!("{}/api/v1/scans", scene.base)).bearer_auth(token).json(&body), Some(id))
        }
        1 | 2 => get(format!("/bags/{}", parents[n as usize % parents.len()])),
        3 => get("/stats".into()),
        _ => get(format!("/bags/{}/children", parents[n as usize % parents.len()])),
    }
}

async fn answer(request: RequestBuilder, scan: Option<Uuid>, ledger: &Ledger) -> anyhow::Result<()> {
    let answer = request.send().await?;
    let status = answer.status();
    let body = answer.bytes().await?;
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    if let Some(id) = scan {
        let body: Value = serde_json::from_slice(&body)?;
        ledger.acknowledge(id, body["outcome"].as_str().context("an outcome")?);
    }
    Ok(())
}

async fn open_parents(client: &Client, token: &str, count: usize) -> anyhow::Result<Vec<String>> {
    let scene = Scene::get();
    let parents: Vec<String> = (0..count).map(|_| scene.new_parent()).collect();
    for some in parents.chunks(BATCH) {
        let scans: Vec<Value> = some.iter().map(|parent| json!({"qr_code": parent, "id": scene.ledger.new_scan(), "source": "wedge"})).collect();
        let url = format!("{}/api/v1/scans/batch", scene.base);
        client.post(url).bearer_auth(token).json(&json!({"scans": scans})).send().await?.error_for_status()?;
    }
    Ok(parents)
}
