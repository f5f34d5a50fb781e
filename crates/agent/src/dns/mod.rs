//! The DNS proxy beside a workload: it answers the mesh's names by itself and forwards the rest.
//!
//! In: queries over UDP and TCP on a loopback address, and the name table from the control plane.
//! Out: answers. The table is one published pointer; a query loads it once. Work is bounded: a
//! fixed number of queries may wait for other servers, more are answered with SERVFAIL.

mod answer;
mod forward;
mod resolv_conf;
mod server;
mod table;

pub use answer::{Reply, reply};
pub use forward::Forwarder;
pub use resolv_conf::ResolvConf;
pub use server::{DnsCounters, DnsError, DnsServer};
pub use table::{Lookup, NameIndex};
