//! Keys of integrators: made and revoked by admins, shown once, good for what their scopes say.
//!
//! Owns `api_keys`. [`bearer`] lets in the requests that carry one.

pub mod bearer;
pub mod key_ring;
pub mod model;
pub mod queries;
pub mod routes;
