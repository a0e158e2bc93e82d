//! What proves a right: access tokens, sessions, passwords, and the limits of wrong attempts.
//!
//! Owns `sessions`, `failed_attempts`, `signing_keys` and `data_keys`. Knows nothing of bags.

pub mod attempts;
pub mod cookies;
pub mod data_key;
pub mod keys;
pub mod known_device;
pub mod password;
pub mod refresh_token;
pub mod revocations;
pub mod sessions;
pub mod verify;
