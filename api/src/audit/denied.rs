//! Attempts at what one's role does not allow are written down.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, web};
use serde_json::json;

use super::{Action, Actor, Entity, Entry, record};
use crate::identity::Caller;
use crate::identity::client::Client;
use crate::state::AppState;

/// Middleware: after a 403 to a signed-in caller, an entry with method and route. The refusal itself stands whether or not
/// the entry could be written.
pub async fn note_denials(req: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let response = next.call(req).await?;
    if response.status() != StatusCode::FORBIDDEN {
        return Ok(response);
    }
    let request = response.request();
    let caller = request.extensions().get::<Caller>().cloned();
    if let (Some(caller), Some(state)) = (caller, request.app_data::<web::Data<AppState>>().cloned())
        && !caller.password_change_required
    {
        let client = Client::extract(request).await.unwrap_or_default();
        let route = request.match_pattern().unwrap_or_else(|| "unmatched".into());
        let entry =
            Entry::new(Action::AccessDenied, Entity::User, caller.user_id).after(json!({"method": request.method().as_str(), "route": route}));
        let actor = Actor::person(caller.user_id, &caller.username, &client);
        let written = async { record(&mut *state.pool.get().await?, &actor, vec![entry]).await.map_err(crate::error::Error::from) };
        if let Err(error) = written.await {
            tracing::error!(%error, route, "a denial could not be audited");
        }
    }
    Ok(response)
}
