//! People: who may sign in, with which role, for which dispatch area.
//!
//! Owns `users`. Sessions and passwords belong to [`crate::access`].

pub mod edit_routes;
pub mod edit_user;
pub mod erasure;
mod erasure_files;
pub mod first_admin;
pub mod language;
pub mod model;
pub mod personal_data;
pub mod queries;
pub mod routes;
