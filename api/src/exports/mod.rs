//! Lists as files: NDJSON, CSV and XLSX, streamed while they are read.
//!
//! Owns no table. Runs the same queries as the lists, over one consistent snapshot.

mod format;
mod links;
pub mod places;
pub mod routes;
mod rows;
mod sources;
mod stream;
mod xlsx;
