//! Keys of integrators: made and revoked by admins, shown once, good for what their scopes say.
//!
//! Owns `api_keys`. How a request that carries one is let in is `auth::bearer`'s business.

pub mod key_ring;
pub mod model;
pub mod queries;
pub mod routes;
