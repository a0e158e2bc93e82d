//! What follows a write: its position is remembered and told.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError, web};

use super::token::{HEADER, token_of};
use crate::auth::caller::authenticate;
use crate::db::{Lsn, lsn};
use crate::error::{Error, Result};
use crate::state::AppState;

/// What is known of a request's write; kept with the request.
#[derive(Debug, Clone, Copy)]
enum Write {
    /// Committed before this position.
    At(Lsn),
    /// There was one; the primary has to be asked.
    Somewhere,
}

/// Extractor for handlers that know more of their writes than that the call succeeded.
pub struct Writes(HttpRequest);

impl Writes {
    pub(super) fn of(req: &HttpRequest) -> Self {
        Self(req.clone())
    }

    /// This request has written, committed before this position; `None` when positions are not asked for.
    pub fn at(&self, position: Option<Lsn>) {
        if let Some(position) = position {
            self.0.extensions_mut().insert(Write::At(position));
        }
    }

    /// This request has written.
    pub fn note(&self) {
        self.0.extensions_mut().insert(Write::Somewhere);
    }
}

impl FromRequest for Writes {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(req: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(req)))
    }
}

/// Middleware: refuses reads with a malformed token, and follows writes up before the caller has the answer.
///
/// # Errors
/// Those of what it wraps.
pub async fn middleware<B: MessageBody>(req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let is_read = matches!(*req.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_read
        && req.path().starts_with("/api/v1/")
        && let Err(error) = token_of(req.request())
    {
        return Ok(req.into_response(error.error_response()).map_into_right_body());
    }
    let state = req.app_data::<web::Data<AppState>>().expect("the server always has its state").clone();
    let mut response = next.call(req).await?;
    if !state.replicas.is_empty()
        && let Some(write) = write_of(&response, is_read)
        && let Ok(caller) = authenticate(response.request())
    {
        let position = match write {
            Write::At(position) => position,
            Write::Somewhere => position(&state).await,
        };
        state.positions.remember(&caller.key(), position).await;
        if position != Lsn::NEVER
            && let Ok(token) = HeaderValue::from_str(&position.to_string())
        {
            response.headers_mut().insert(HEADER, token);
        }
    }
    Ok(response.map_into_left_body())
}

/// A call that failed has written nothing that anybody was told of, unless its handler says so: a refused scan is an event.
fn write_of<B>(response: &ServiceResponse<B>, is_read: bool) -> Option<Write> {
    let noted = response.request().extensions().get::<Write>().copied();
    noted.or_else(|| (!is_read && response.status().is_success()).then_some(Write::Somewhere))
}

/// Where the primary is by now. When it can't be asked, all that this caller reads for a while has to come from it.
async fn position(state: &AppState) -> Lsn {
    let asked = async { Ok::<_, Error>(lsn::written(&mut *state.pool.get().await?).await?) };
    match asked.await {
        Ok(position) => position,
        Err(error) => {
            tracing::warn!(%error, "the primary could not be asked where it is after a write");
            Lsn::NEVER
        }
    }
}
