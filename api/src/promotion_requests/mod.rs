//! People who ask for another role, and admins who decide.
//!
//! Owns `promotion_requests`.

pub mod decide;
pub mod model;
pub mod routes;
