//! What happens, as it happens: server-sent events, across processes, resumable.
//!
//! Owns no table: what others wrote in the audit log, the notifications and the jobs is what happened. One task of each
//! process reads what is new and hands it to everyone who listens; it rests while nobody does.

pub mod hub;
pub mod model;
pub mod routes;
pub mod streams;
