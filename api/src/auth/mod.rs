//! Who calls and what they may: sign-in, sessions, access tokens, the extractors that prove a right.
//!
//! Owns `sessions` and `signing_keys`. Knows nothing of bags.

pub mod bearer;
pub mod caller;
pub mod jwks;
pub mod keys;
pub mod password;
pub mod revocations;
pub mod routes;
pub mod sessions;
pub mod sign_in;

pub use caller::{Admin, Biller, Caller, RequireRole};
