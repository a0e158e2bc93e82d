//! Who calls and what they may: sign-in, sessions, access tokens, the extractors that prove a right.
//!
//! Owns `sessions`, `failed_attempts`, `signing_keys`, `password_resets` and `recovery_codes`. Knows nothing of bags.

pub mod attempts;
pub mod bearer;
pub mod caller;
pub mod cookies;
pub mod data_key;
pub mod failed_attempt;
pub mod jwks;
pub mod keys;
pub mod known_device;
pub mod my_account;
pub mod password;
pub mod password_reset;
pub mod refresh_token;
pub mod revocations;
pub mod routes;
pub mod sessions;
pub mod sign_in;
pub mod two_factor;
pub mod two_factor_routes;

pub use caller::{Admin, Biller, Caller, RequireRole};
