//! Newtypes that every crate shares: names, labels, protocols, localities.
//!
//! Nothing here does I/O or knows a resource kind. Each type parses once and is cheap to clone, so
//! that the crates above can pass values instead of borrowing strings.

mod hostname;
mod labels;
mod locality;
mod names;
mod protocol;
mod resource_key;
mod text;

pub use hostname::Hostname;
pub use labels::{Labels, Selector};
pub use locality::Locality;
pub use names::{ClusterId, Namespace, NetworkId};
pub use protocol::Protocol;
pub use resource_key::{Generation, ResourceKey};
pub use text::Str;
