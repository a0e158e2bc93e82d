//! Extractors, middleware and helpers of the HTTP layer. Knows no feature.

pub mod address;
pub mod base_path;
pub mod connections;
pub mod cors;
pub mod draining;
pub mod etag;
pub mod fallback;
pub mod json;
pub mod metrics;
pub mod origin;
pub mod page;
pub mod problem_page;
pub mod query;
pub mod rate_limit;
pub mod request_id;
pub mod responses;
pub mod root_span;
pub mod security_headers;
pub mod small_bodies;
pub mod spa;
pub mod text;
pub mod timeout;
