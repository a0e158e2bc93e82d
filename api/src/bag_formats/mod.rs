//! What bag codes look like and what they mean: formats, managed by admins, and the codes that match
//! them.
//!
//! Owns `bag_formats`. Knows nothing of the bags themselves.

pub mod code_pattern;
pub mod kind;
pub mod label_fault;
pub mod qr_code;
pub mod routes;
pub mod shared;
