//! What codes look like and what they mean, managed by admins.
//!
//! Owns `bag_formats`. `bags::qr_code` holds what is read here and matches codes with it.

pub mod routes;
pub mod shared;
