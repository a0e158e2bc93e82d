//! The status of the system, for admins: pools, memory, database, jobs.
//!
//! Owns no table.

pub mod housekeeping;
pub mod queries;
pub mod routes;
