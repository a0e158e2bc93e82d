//! E-mails: rendered from templates and sent by SMTP or SendGrid, or written to files if neither is
//! configured.
//!
//! To send one, a feature enqueues a [`MailJob`] in the transaction that causes it. The job queue
//! sends it, and retries if the mail server is unavailable.

pub mod job;
pub mod mailer;
pub mod templates;

pub use job::MailJob;
pub use mailer::{Mail, Mailer};
