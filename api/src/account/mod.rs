//! Signing in and out, one's own account, the second factor, forgotten passwords.
//!
//! Owns `password_resets` and `recovery_codes`. Knows nothing of bags.

pub mod failed_attempt;
pub mod jwks;
pub mod my_account;
pub mod password_reset;
pub mod routes;
pub mod sign_in;
pub mod two_factor;
pub mod two_factor_routes;
