//! Lists as files: NDJSON, CSV and XLSX, streamed while they are read.
//!
//! Owns no table. Reads what the lists read, by the same queries, all of it as it was at one moment.

mod audit_logs;
mod format;
mod links;
pub mod places;
pub mod routes;
mod rows;
mod sources;
mod stream;
mod xlsx;
