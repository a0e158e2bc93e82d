//! Ensures that callers read their own writes, even when replicas serve the reads.
//!
//! After every write, the position of the primary's write-ahead log is stored for the caller in all
//! processes and returned as `X-Consistency-Token`. A read goes to a replica that has replayed this
//! position, otherwise to the primary. Without replicas, this costs nothing.

mod document;
mod positions;
mod reads;
mod token;
mod writes;

pub use document::describe;
pub use positions::{LOOK_INTERVAL, Positions};
pub use reads::Reads;
pub use token::{HEADER, token_of};
pub use writes::{Writes, middleware};
