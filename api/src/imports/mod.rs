//! Files of bags or of links: taken in, checked row by row, written, and what was refused told.
//!
//! Owns `imports`, `import_chunks` and `import_errors`. Links of a partial import go through the scan writer like
//! every other scan.

mod as_one;
mod changed_cell;
mod check_file;
mod columns;
pub mod model;
mod number_format;
mod number_text;
mod queries;
mod read_rows;
mod read_workbook;
pub mod routes;
mod rules;
pub mod run_import;
mod upload;
mod write_rows;
