//! Sockets, original destination, network namespaces, what the heap gives back; the only crate that
//! may hold unsafe code.
//!
//! In: addresses and socket settings. Out: tokio streams and listeners with those settings.
//! Everything here goes through the safe interfaces of `socket2` and `rustix` where they exist.
//! TLS lives in `tls`, HTTP in `http`.

mod address;
mod connect;
mod handover;
mod heap;
mod listen;
mod namespace;
mod original_dst;
mod proxy_protocol;
mod relay;
mod rewind;
mod shelf;
mod stream;

pub use address::Address;
pub use connect::{ConnectSettings, connect};
pub use handover::{HandoverError, HandoverPoint, Inheritance, Successor};
pub use heap::{release_freed_memory_when_calm, resident_bytes};
pub use listen::{ListenError, ListenSettings, Listener, close_queue};
pub use namespace::{NamespaceError, enter_network_namespace};
pub use original_dst::original_destination;
pub use proxy_protocol::{
    ProxyAddresses, ProxyHeader, ProxyVersion, parse_proxy_header, proxy_header,
    proxy_header_entries, proxy_header_version,
};
pub use relay::{RelayCounters, RelayEnd, Side, relay};
pub use rewind::Rewind;
pub use shelf::SocketShelf;
pub use stream::{KeepAlive, Stream};
