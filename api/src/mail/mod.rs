//! E-mails: written from templates, sent by SMTP, by SendGrid, or into files where neither is set.
//!
//! Whoever wants one sent enqueues a [`MailJob`] in the transaction it belongs to; the job queue sends it, and tries
//! again when the mail server is away.

pub mod job;
pub mod mailer;
pub mod templates;

pub use job::MailJob;
pub use mailer::{Mail, Mailer};
