//! Background work that runs after the response: e-mails, imports, reports that are sent out.
//!
//! Owns `jobs`. A job is inserted in the transaction that needs it, so it exists exactly if that
//! transaction commits. Any process can claim it. A process that dies halfway loses its lease, and
//! another claims the job. The work of a job must therefore be idempotent.
//!
//! A feature defines a job as a serde struct that implements [`BackgroundJob`], and adds it to the
//! [`JobRegistry`] when the application starts. The queue and the worker know no kind.

pub mod job;
pub mod model;
pub mod queue;
pub mod registry;
pub mod worker;

pub use job::{BackgroundJob, JobContext, JobError};
pub use queue::{NewJob, enqueue};
pub use registry::JobRegistry;
