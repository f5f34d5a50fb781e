//! The server's half of one xDS stream, without I/O.
//!
//! In: the client's requests ([`ServerStream::receive`]) and the resources that it should hold
//! ([`ServerStream::push`], [`ServerStream::answer`]). Out: [`Response`]s, and per type what was sent,
//! acknowledged and rejected ([`Watch`]).
//!
//! Invariants: a watch's `sent` is what the client holds unless it rejected it; a response carries
//! every difference between `sent` and the current resources, so that no change is lost when an
//! answer to a subscription overtakes a push.

mod delta;
mod response;
mod state_of_the_world;
mod stream;
#[cfg(test)]
mod tests;
mod watch;

pub use response::{Payload, Response, ResponseEncoder};
pub use stream::{Demand, Reaction, ServerStream, ServerStreamSettings, Verdict, Wanted};
pub use watch::{Rejection, Watch};
