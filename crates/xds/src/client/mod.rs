//! The client's half of xDS: a state machine, and the driver that keeps it connected.
//!
//! The consumer sends [`Command`]s and receives [`Event`]s. It must answer every [`TypeUpdate`] with
//! [`Command::Ack`] or [`Command::Nack`] once it has compiled it: that is what the control plane sees
//! as "live". The subscription outlives a connection: after a reconnect the machine subscribes again
//! and names the versions that it still holds.

mod driver;
mod event;
mod machine;
mod resource_name;
mod subscription;
#[cfg(test)]
mod tests;

pub use driver::{AdsClient, AdsClientSettings};
pub use event::{Command, Event, NamedResource, TypeUpdate};
pub use machine::{ClientStream, Reply};
