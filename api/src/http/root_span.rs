//! The span of a request and the one line that says how it ended.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage};
use tracing::field::Empty;
use tracing::{Span, info_span};
use tracing_actix_web::RootSpanBuilder;

use super::request_id::RequestId;

/// Request id, user id, id of the API key, method, route template, status and duration: never
/// bodies, tokens or query strings.
pub struct RequestSpan;

/// When the request began, kept with it to know how long it took.
struct StartedAt(std::time::Instant);

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        request.extensions_mut().insert(StartedAt(std::time::Instant::now()));
        info_span!("request", request_id, method = request.method().as_str(), user_id = Empty, api_key_id = Empty, trace_id = traceparent(request))
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let _entered = span.enter();
        match outcome {
            // Where nobody reads the line, finding the route for it is work for nothing.
            Ok(response) if tracing::enabled!(tracing::Level::INFO) => {
                let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".into());
                let duration_ms = response.request().extensions().get::<StartedAt>().map_or(0.0, |at| at.0.elapsed().as_secs_f64() * 1e3);
                tracing::info!(route, status = response.status().as_u16(), duration_ms, "request completed");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(status = error.as_response_error().status_code().as_u16(), "request cut off: {error}");
            }
        }
    }
}

/// The trace id of a well-formed W3C `traceparent` header (version 00: `00-<32 hex>-<16 hex>-<2 hex>`).
fn traceparent(request: &ServiceRequest) -> Option<String> {
    let header = request.headers().get("traceparent")?.to_str().ok()?;
    let trace_id = header.split('-').nth(1)?;
    (trace_id.len() == 32 && trace_id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| trace_id.to_owned())
}
