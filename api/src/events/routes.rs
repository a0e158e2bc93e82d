//! The stream of events over HTTP.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, Responder, get, web};
use chrono::{TimeDelta, Utc};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::hub;
use super::model::{Event, EventData};
use crate::access::revocations::Revocations;
use crate::api_keys::key_ring::KeyRing;
use crate::db::ids::floor_id;
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::events::hub::Hub;
use crate::events::streams::EventStreams;
use crate::http::connections::Connection;
use crate::http::responses::{Always, SignedIn};
use crate::identity::Caller;
use crate::identity::caller::Credential;
use crate::scans::model::time_of;
use crate::state::AppState;

/// A quiet stream says that it lives this often, so that proxies keep it and the dead are noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A comment, which clients ignore.
const ALIVE: &str = ": alive\n\n";
/// Whether the session still stands is looked at this often.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Most events told again to a listener who comes back; one who missed more is told to start anew.
const MAX_RESUMED: i64 = 1_000;
/// A listener who comes back is told from a little before its last event: one that was being committed then has an older id.
const RESUME_OVERLAP: TimeDelta = TimeDelta::seconds(5);
/// Frames that wait for a slow listener before it is waited for.
const WINDOW: usize = 64;

/// Listen to events.
///
/// Server-sent events with the topics `scan`, `bag`, `bill`, `notification` and `job` that the
/// caller is allowed to see. With `Last-Event-ID`, the stream resumes after that event; an event
/// can then arrive twice with the same id. `reset` means that too many events were missed: reload
/// the data that you show. The stream ends when the access token expires: connect again with a new
/// one.
#[utoipa::path(
    operation_id = "listen_to_events", tag = "events",
    params(("Last-Event-ID" = Option<String>, Header, description = "Id of the last event received")),
    responses((status = 200, description = "An endless stream; each `data` line is an EventData", content_type = "text/event-stream", body = EventData),
              (status = 429, description = "`too_many_streams`: close one, or wait for the time in `Retry-After`", body = Problem, content_type = "application/problem+json"),
              (status = 400, description = "`invalid_query`: Last-Event-ID is not the id of an event", body = Problem, content_type = "application/problem+json"),
              Always, SignedIn),
)]
#[get("/events")]
pub async fn listen_to_events(caller: Caller, state: web::Data<AppState>, req: HttpRequest) -> Result<impl Responder> {
    let last = last_event_id(&req)?;
    if req.conn_data::<Connection>().is_some_and(Connection::is_overflow) {
        return Err(Error::unavailable("Too many connections are open. Try again in a moment."));
    }
    let permit = state.part::<EventStreams>().acquire(&caller).await?;
    let probe = permit.probe.clone();
    // Listening first: nothing can happen between what is resumed and what comes.
    let mut news = state.part::<Hub>().listen().await;
    let missed = match last {
        Some(last) => resumed(&state, last).await?,
        None => Vec::new(),
    };
    // What is shown beside the stream is read next: nothing from before it may be missing there.
    state.positions.include_everything(&state.pool).await?;
    let (sender, receiver) = mpsc::channel::<String>(WINDOW);
    let ends_at = tokio::time::Instant::now() + Duration::from_secs(state.config.access_token_seconds.unsigned_abs());
    // Not a registered task: it ends with the stream that it writes.
    actix_web::rt::spawn(async move {
        if sender.send(": listening\n\n".into()).await.is_err() {
            return;
        }
        let resumed: HashSet<Option<Uuid>> = missed.iter().map(|event| event.id).filter(Option::is_some).collect();
        for frame in missed.iter().filter_map(|event| event.frame_for(&caller)) {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
        let mut check = tokio::time::interval(CHECK_INTERVAL);
        let mut quiet_since = tokio::time::Instant::now();
        loop {
            let frame = tokio::select! {
                event = news.recv() => match event {
                    Ok(event) => match event.frame_for(&caller) {
                        Some(frame) if !resumed.contains(&event.id) => frame,
                        _ => continue,
                    },
                    Err(RecvError::Lagged(_)) => match Event::reset().frame_for(&caller) {
                        Some(frame) => frame,
                        None => continue,
                    },
                    Err(RecvError::Closed) => return,
                },
                _ = check.tick() => {
                    let is_over = state.is_stopping() || tokio::time::Instant::now() >= ends_at || has_lost_rights(&state, &caller).await;
                    if is_over || sender.is_closed() {
                        return;
                    }
                    if quiet_since.elapsed() < HEARTBEAT {
                        continue;
                    }
                    ALIVE.to_owned()
                }
                () = probe.notified() => ALIVE.to_owned(),
            };
            quiet_since = tokio::time::Instant::now();
            if sender.send(frame).await.is_err() {
                return;
            }
        }
    });
    // The permit is dropped with the stream, when the connection ends.
    let stream = futures_util::stream::unfold((receiver, permit), |(mut receiver, permit)| async {
        let frame = receiver.recv().await?;
        Some((Ok::<_, Infallible>(web::Bytes::from(frame)), (receiver, permit)))
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        // A compressor would hold events back until its buffer is full, and so would a proxy's.
        .insert_header(header::ContentEncoding::Identity)
        .insert_header(("x-accel-buffering", "no"))
        .streaming(stream))
}

/// Has the session ended; is the key no longer valid, or does its owner have other rights than when
/// the stream began?
async fn has_lost_rights(state: &AppState, caller: &Caller) -> bool {
    match caller.credential {
        Credential::Session(session) => state.part::<Revocations>().is_revoked(session),
        Credential::ApiKey(id) if state.part::<Revocations>().is_api_key_revoked(id) => true,
        Credential::ApiKey(id) => match state.part::<KeyRing>().find_again(&state.pool, id).await {
            Ok(key) => key.is_none_or(|key| !key.caller(&state.config).has_rights_of(caller)),
            // While the database is away nothing new is sent either.
            Err(_) => false,
        },
    }
}

fn last_event_id(req: &HttpRequest) -> Result<Option<Uuid>> {
    let Some(value) = req.headers().get("last-event-id").filter(|value| !value.is_empty()) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| Uuid::try_parse(text).ok()).filter(|id| time_of(*id).is_ok());
    id.map(Some).ok_or_else(|| Error::refused(ErrorCode::InvalidQuery, "Last-Event-ID is not the id of an event. Connect without it."))
}

async fn resumed(state: &AppState, last: Uuid) -> Result<Vec<Event>> {
    let since = time_of(last)? - RESUME_OVERLAP;
    if since < Utc::now() - TimeDelta::days(1) {
        return Ok(vec![Event::reset()]);
    }
    let mut missed = hub::changes(&mut *state.pool.get().await?, floor_id(since), MAX_RESUMED + 1).await?;
    if missed.len() > MAX_RESUMED as usize {
        return Ok(vec![Event::reset()]);
    }
    missed.retain(|event| event.id != Some(last));
    Ok(missed)
}

/// Mounts the calls of this feature.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(listen_to_events);
}
