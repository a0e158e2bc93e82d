//! Stores the log position of a write and returns it to the caller.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError, web};

use super::token::{HEADER, token_of};
use crate::db::{Lsn, lsn};
use crate::error::{Error, Result};
use crate::identity::caller::authenticate;
use crate::state::AppState;

/// The known position of a request's write, stored with the request.
#[derive(Debug, Clone, Copy)]
enum Write {
    /// The write was committed before this position.
    At(Lsn),
    /// The request has written; the primary must be queried for the position.
    Somewhere,
}

/// Extractor for handlers that know more about their writes than that the call succeeded.
pub struct Writes(HttpRequest);

impl Writes {
    pub(super) fn of(req: &HttpRequest) -> Self {
        Self(req.clone())
    }

    /// Records that this request has written and committed before `position`. `None` means that
    /// positions are not in use.
    pub fn at(&self, position: Option<Lsn>) {
        if let Some(position) = position {
            self.0.extensions_mut().insert(Write::At(position));
        }
    }

    /// Records that this request has written.
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

/// Middleware: rejects reads with a malformed token, and stores the position of a write before the
/// caller receives the response.
///
/// # Errors
/// Propagates the errors of the wrapped service.
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

/// The write of a finished call. A failed call has not written anything that a caller knows of,
/// unless its handler says so: a refused scan is an event.
fn write_of<B>(response: &ServiceResponse<B>, is_read: bool) -> Option<Write> {
    let noted = response.request().extensions().get::<Write>().copied();
    noted.or_else(|| (!is_read && response.status().is_success()).then_some(Write::Somewhere))
}

/// The current position of the primary. If it can't be queried, all reads of this caller go to the
/// primary for a while.
async fn position(state: &AppState) -> Lsn {
    let asked = async { Ok::<_, Error>(lsn::written(&mut *state.pool.get().await?).await?) };
    match asked.await {
        Ok(position) => position,
        Err(error) => {
            tracing::warn!(%error, "could not read the primary's log position after a write");
            Lsn::NEVER
        }
    }
}
