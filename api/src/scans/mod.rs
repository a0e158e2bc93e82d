//! Scan events and what they do: open parents, link children, undo.
//!
//! Owns `scans`. Everything that scanning writes goes through the scan writer of [`record_scans`], whatever
//! its size: one scan, an offline queue, an import.

pub mod answer;
pub mod model;
pub mod queries;
pub mod record_scans;
pub mod routes;
pub mod rules;
pub mod undo_scan;
pub mod write_health;
mod write_sets;
