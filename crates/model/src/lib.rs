//! The immutable mesh snapshot, its indices, and what one proxy may see of it.
//!
//! In: the registry and the config objects, through a builder. Out: a snapshot that
//! answers every question the translation asks, a [`ProxyView`] per proxy (the value that the
//! translation is a function of, and thus the cache key), and with each change an [`Affected`]:
//! what has to be sent again.
//!
//! Nothing here knows xDS messages; nothing here does I/O.

mod affected;
mod authentication;
mod proxy;
mod proxy_view;

pub use affected::{Affected, Hosts, Namespaces};
pub use authentication::{MergedAuthentication, MtlsMode};
pub use proxy::{Capabilities, Dialect, IpFamily, Proxy, ProxyId, ProxyIdError, ProxyType};
pub use proxy_view::{
    GatewayPort, GatewayView, InboundPort, InboundView, ListenerView, OutboundView, ProxySettings,
    ProxyView, RouteView, ScopeKey,
};
