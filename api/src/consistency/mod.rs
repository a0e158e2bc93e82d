//! Nobody is shown less than what they have written, also where replicas answer reads.
//!
//! Every write is followed by the position of the primary's log, which is remembered for the caller, in all processes, and
//! given back as `X-Consistency-Token`. A read goes to a replica that has replayed it, else to the primary. Without
//! replicas nothing of this costs anything.

mod document;
mod positions;
mod reads;
mod token;
mod writes;

pub use document::describe;
pub use positions::Positions;
pub use reads::Reads;
pub use token::{HEADER, token_of};
pub use writes::{Writes, middleware};
