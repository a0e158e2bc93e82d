//! A user with the dashboard open: receives events as they happen, requests the dashboard with the
//! last ETags, and looks up and searches bags.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use goose::prelude::*;

use super::scene::Scene;
use super::session::{Ask, ask, session, sign_in_viewer, token};

static STREAMS: AtomicU64 = AtomicU64::new(0);
static FAILURE: Mutex<Option<String>> = Mutex::new(None);

pub fn scenario() -> Result<Scenario, GooseError> {
    Ok(scenario!("Dashboard")
        .set_weight(5)?
        .set_wait_time(Duration::from_secs(1), Duration::from_secs(4))?
        .register_transaction(transaction!(sign_in_viewer).set_on_start().set_sequence(1))
        .register_transaction(transaction!(listen).set_on_start().set_sequence(2))
        .register_transaction(transaction!(dashboard).set_weight(5)?)
        .register_transaction(transaction!(breakdown).set_weight(1)?)
        .register_transaction(transaction!(find).set_weight(3)?))
}

/// Number of event streams that were open.
pub fn streams() -> u64 {
    STREAMS.load(Ordering::Relaxed)
}

/// Why an event stream ended or was refused, if one was.
pub fn failure() -> Option<String> {
    FAILURE.lock().expect("no thread panics while it holds the lock").clone()
}

async fn listen(user: &mut GooseUser) -> TransactionResult {
    let token = token(user);
    tokio::spawn(async move {
        let failed = |what: String| *FAILURE.lock().expect("no thread panics while it holds the lock") = Some(format!("an event stream: {what}"));
        let url = format!("{}/api/v1/events", Scene::get().base);
        match reqwest::Client::new().get(url).bearer_auth(token).send().await {
            Ok(mut answer) if answer.status() == 200 => {
                STREAMS.fetch_add(1, Ordering::Relaxed);
                // The stream ends when the token expires. Until then, every chunk is read and
                // dropped as fast as it arrives.
                while let Ok(Some(_)) = answer.chunk().await {}
            }
            Ok(answer) => failed(format!("status {}", answer.status())),
            Err(error) => failed(error.to_string()),
        }
    });
    Ok(())
}

/// What the web app's dashboard requests whenever something has happened.
async fn dashboard(user: &mut GooseUser) -> TransactionResult {
    for path in ["/api/v1/stats", "/api/v1/stats/scans-per-hour?hours=168", "/api/v1/stats/recent?limit=8"] {
        look(user, path).await?;
    }
    Ok(())
}

/// What it requests in addition when the user opens a day.
async fn breakdown(user: &mut GooseUser) -> TransactionResult {
    for path in ["/api/v1/stats/people", "/api/v1/stats/areas"] {
        look(user, path).await?;
    }
    Ok(())
}

async fn look(user: &mut GooseUser, path: &'static str) -> TransactionResult {
    let name = path.trim_start_matches("/api/v1").split('?').next().unwrap_or(path);
    let etag = session(user).etags.get(path).cloned();
    let header = etag.as_deref().map(|etag| [("if-none-match", etag)]);
    let headers = header.as_ref().map_or(&[][..], |header| &header[..]);
    let answer = ask(user, Ask { path, name, headers, expected: &[200, 304], ..Ask::default() }).await?;
    if let Some(etag) = answer.etag {
        session(user).etags.insert(path, etag);
    }
    Ok(())
}

async fn find(user: &mut GooseUser) -> TransactionResult {
    let step = {
        let session = session(user);
        session.step += 1;
        session.step
    };
    let code = Scene::get().known(step * 7919);
    ask(user, Ask { path: &format!("/api/v1/bags/{code}"), name: "/bags/{qr_code}", ..Ask::default() }).await?;
    // Some digits from the end of a code.
    let part = &code[code.len().saturating_sub(4)..];
    ask(user, Ask { path: &format!("/api/v1/search?q={part}"), name: "/search", ..Ask::default() }).await?;
    Ok(())
}
