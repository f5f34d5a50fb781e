//! The xDS protocol: what a stream of requests and responses means, and how it travels over gRPC.
//!
//! `server` and `client` are state machines without I/O: messages and resources go in, messages and
//! events come out. `transport` carries them over HTTP/2. Both variants of the protocol are there,
//! state of the world and delta. Neither side knows what a resource holds.
//!
//! The server side shares bytes: a resource is encoded once ([`EncodedResource`]) and every response
//! that carries it copies those bytes straight into the frames of its connection.

pub mod client;
mod names;
mod request;
mod resource;
pub mod server;
pub mod transport;

pub use names::{NameInterner, NameSet};
pub use request::{Request, Variant};
pub use resource::{Difference, EncodedResource, ResourceSet, Version};
