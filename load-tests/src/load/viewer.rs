//! Somebody with the dashboard open: events come as they happen, the totals are asked for with the ETag seen last, bags are
//! looked up and searched.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use goose::prelude::*;

use super::scene::Scene;
use super::session::{Ask, ask, session, sign_in_biller, token};

static STREAMS: AtomicU64 = AtomicU64::new(0);
static FAILURE: Mutex<Option<String>> = Mutex::new(None);

pub fn scenario() -> Result<Scenario, GooseError> {
    Ok(scenario!("Dashboard")
        .set_weight(5)?
        .set_wait_time(Duration::from_secs(1), Duration::from_secs(4))?
        .register_transaction(transaction!(sign_in_biller).set_on_start().set_sequence(1))
        .register_transaction(transaction!(listen).set_on_start().set_sequence(2))
        .register_transaction(transaction!(totals).set_weight(5)?)
        .register_transaction(transaction!(overview).set_weight(1)?)
        .register_transaction(transaction!(find).set_weight(3)?))
}

/// Streams of events that were open.
pub fn streams() -> u64 {
    STREAMS.load(Ordering::Relaxed)
}

/// Why a stream of events ended or was refused, if one was.
pub fn failure() -> Option<String> {
    FAILURE.lock().expect("nobody panics with it").clone()
}

async fn listen(user: &mut GooseUser) -> TransactionResult {
    let token = token(user);
    tokio::spawn(async move {
        let failed = |what: String| *FAILURE.lock().expect("nobody panics with it") = Some(format!("a stream of events: {what}"));
        let url = format!("{}/api/v1/events", Scene::get().base);
        match reqwest::Client::new().get(url).bearer_auth(token).send().await {
            Ok(mut answer) if answer.status() == 200 => {
                STREAMS.fetch_add(1, Ordering::Relaxed);
                // It ends with the token; until then every piece is read and dropped, as fast as it comes.
                while let Ok(Some(_)) = answer.chunk().await {}
            }
            Ok(answer) => failed(format!("answered {}", answer.status())),
            Err(error) => failed(error.to_string()),
        }
    });
    Ok(())
}

async fn totals(user: &mut GooseUser) -> TransactionResult {
    let etag = session(user).etag.clone();
    let header = etag.as_deref().map(|etag| [("if-none-match", etag)]);
    let headers = header.as_ref().map_or(&[][..], |header| &header[..]);
    let answer = ask(user, Ask { path: "/api/v1/stats", name: "/stats", headers, expected: &[200, 304], ..Ask::default() }).await?;
    session(user).etag = answer.etag;
    Ok(())
}

async fn overview(user: &mut GooseUser) -> TransactionResult {
    for path in ["/stats/scans-per-hour?hours=168", "/stats/recent?limit=10", "/stats/people", "/stats/areas"] {
        let name = path.split('?').next().unwrap_or(path);
        ask(user, Ask { path: &format!("/api/v1{path}"), name, ..Ask::default() }).await?;
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
