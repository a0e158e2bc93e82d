//! Background work that runs after the response: e-mails, imports, reports that are sent out.
//!
//! Owns `jobs`. A job is inserted in the transaction that needs it, so it exists exactly if that
//! transaction commits. Any process can claim it. A process that dies halfway loses its lease, and
//! another claims the job. The work of a job must therefore be idempotent.

pub mod model;
pub mod queue;
pub mod worker;

pub use queue::{NewJob, enqueue};
