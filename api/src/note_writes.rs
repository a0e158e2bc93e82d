//! Records which user wrote before the response is sent, so that the caches serve no stale data
//! ([`crate::cache`]).

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web;

use crate::bags::kept_bags::KeptBags;
use crate::cache::Person;
use crate::identity::caller::{Caller, with_caller};
use crate::state::AppState;

/// These calls record scans. The scan writer itself invalidates the bags that it changed.
const SCANS: [&str; 2] = ["/api/v1/scans", "/api/v1/scans/batch"];
/// Signing in and out changes no bag.
const AUTH: &str = "/api/v1/auth/";

/// Middleware inside the one that authenticates API keys: records every call that may have changed
/// something, whatever its response, for its caller before the response is sent.
///
/// # Errors
/// Propagates the errors of the wrapped service.
pub async fn note_writes(req: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if matches!(*req.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.call(req).await;
    }
    let state = req.app_data::<web::Data<AppState>>().expect("the server always has its state").clone();
    let person = with_caller(req.request(), Caller::person).ok();
    let changes_bags = !SCANS.contains(&req.path()) && !req.path().starts_with(AUTH);
    let noted = NotedHere { state: &state, person, changes_bags };
    let response = next.call(req).await;
    drop(noted);
    if let Some(person) = person {
        state.cache.writes().tell(person).await;
    }
    response
}

/// Records the write in this process when the call ends, including when the call is cancelled.
struct NotedHere<'a> {
    state: &'a AppState,
    person: Option<Person>,
    changes_bags: bool,
}

impl Drop for NotedHere<'_> {
    fn drop(&mut self) {
        if self.changes_bags {
            self.state.part::<KeptBags>().forget_all();
        }
        if let Some(person) = self.person {
            self.state.cache.writes().note_here(person);
        }
    }
}
