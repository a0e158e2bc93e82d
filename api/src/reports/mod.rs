//! Reports: each is one document, as JSON, CSV, XLSX and PDF.
//!
//! Owns no table. The layout of the documents is that of [`crate::documents`].

pub mod daily;
pub mod end_of_day;
pub mod routes;
pub mod summaries;
