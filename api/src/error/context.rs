//! What a problem says about its request, wherever in the code the error arises.

use std::sync::Arc;

tokio::task_local! {
    /// The id of the request that this task handles. The middleware of `http` sets it.
    pub static REQUEST_ID: String;
    /// The path prefix under which the client of this request reaches the server.
    pub static BASE_PATH: Arc<str>;
}

/// The id of the request that this task handles, for problems and logs far from the request itself.
pub fn request_id() -> Option<String> {
    REQUEST_ID.try_with(Clone::clone).ok()
}

/// The base path of the request that this task handles, for addresses in responses; empty if the
/// server has the host to itself.
pub fn base_path() -> Arc<str> {
    BASE_PATH.try_with(Clone::clone).unwrap_or_default()
}
