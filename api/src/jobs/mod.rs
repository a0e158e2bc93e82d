//! Work that is done after the answer: e-mails, imports, reports that go out.
//!
//! Owns `jobs`. A job is written in the transaction that wants it, so it exists exactly when that commits; any
//! process takes it, and one that dies half-way loses its lease and the job is taken again. So the work of a job
//! must bear being done twice.

pub mod model;
pub mod queue;
pub mod worker;

pub use queue::{NewJob, enqueue};
