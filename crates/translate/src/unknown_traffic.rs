//! Traffic for destinations that the mesh does not know: as the Sidecar of the proxy says, else the
//! mesh. Listeners, routes and clusters all ask here, so that they never disagree.

use ferromesh_config::kind::sidecar::OutboundTrafficMode;
use ferromesh_model::{Scope, Snapshot};

use crate::names;

/// What happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UnknownTraffic {
    /// It is refused.
    Refused,
    /// It goes on to where it was going.
    Passed,
    /// The hosts of requests are resolved; bytes go on to where they were going.
    Resolved,
    /// It goes to the proxy that the Sidecar names: this cluster.
    Handed(String),
}

impl UnknownTraffic {
    /// The rule for proxies with this scope.
    pub(crate) fn of(snapshot: &Snapshot, scope: &Scope) -> Self {
        let own = scope.sidecar.as_ref().and_then(|sidecar| {
            let policy = sidecar.spec.outbound_traffic_policy.as_ref()?;
            Some((sidecar, policy))
        });
        let mode = own.map_or(snapshot.mesh().outbound_traffic_policy.mode, |(_, own)| {
            own.mode
        });
        match mode {
            OutboundTrafficMode::RegistryOnly => Self::Refused,
            OutboundTrafficMode::AllowAnyDynamicDns => Self::Resolved,
            OutboundTrafficMode::AllowAny => {
                let handed = own.and_then(|(sidecar, policy)| {
                    let proxy = policy.egress_proxy.as_ref()?;
                    let domain = &snapshot.settings().domain;
                    let host = proxy.host.expand(sidecar.namespace(), domain);
                    let port = proxy.port.map_or(0, |port| port.number);
                    Some(names::outbound_cluster(port, &proxy.subset, &host))
                });
                handed.map_or(Self::Passed, Self::Handed)
            }
        }
    }

    /// The cluster for connections.
    pub(crate) fn cluster(&self) -> &str {
        match self {
            Self::Refused => names::BLACK_HOLE,
            Self::Passed | Self::Resolved => names::PASSTHROUGH,
            Self::Handed(cluster) => cluster,
        }
    }
}
