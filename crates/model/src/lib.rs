//! The immutable mesh snapshot, its indices, and what one proxy may see of it.
//!
//! In: the registry and the config objects, through [`SnapshotBuilder`]. Out: a [`Snapshot`] that
//! answers every question the translation asks, a [`ProxyView`] per proxy (the value that the
//! translation is a function of, and thus the cache key), and with each change an [`Affected`]:
//! what has to be sent again.
//!
//! Nothing here knows xDS messages; nothing here does I/O.

mod affected;
mod authentication;
mod builder;
mod declared;
mod distinction;
mod index;
mod proxy;
mod proxy_view;
mod scope;
mod snapshot;
mod view;

pub use affected::{Affected, Hosts, Namespaces};
pub use authentication::{MergedAuthentication, MtlsMode};
pub use builder::SnapshotBuilder;
pub use declared::Declared;
pub use ferromesh_registry::ObjectChange;
pub use index::destination_rule::{DestinationRuleIndex, MergedRule};
pub use index::gateway::{GatewayIndex, GatewayServer, MergedGateways, ServerAddress};
pub use index::peer_authentication::PeerAuthenticationIndex;
pub use index::secret::SecretIndex;
pub use index::service::ServiceIndex;
pub use index::sidecar::SidecarIndex;
pub use index::virtual_service::{GatewayRef, VirtualServiceEntry, VirtualServiceIndex};
pub use proxy::{Capabilities, Dialect, IpFamily, Proxy, ProxyId, ProxyIdError, ProxyType};
pub use proxy_view::{
    GatewayPort, GatewayView, InboundPort, InboundView, ListenerView, OutboundView, ProxySettings,
    ProxyView, RouteView, ScopeKey,
};
pub use scope::{EgressScope, Scope};
pub use snapshot::{MeshSettings, Snapshot};
