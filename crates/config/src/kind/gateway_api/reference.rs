//! References from one object to another.

use ferromesh_types::Str;
use serde::Deserialize;

use super::RouteFilter;

/// The API group of the Gateway API.
pub const GROUP: &str = "gateway.networking.k8s.io";

/// What a route is attached to: a Gateway, or a Service for traffic inside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ParentReference {
    /// Its API group; empty for a Service.
    pub group: Str,
    /// Its kind.
    pub kind: Str,
    /// Its namespace; empty is the route's own.
    pub namespace: Str,
    /// Its name.
    pub name: Str,
    /// A listener of the Gateway, or a port of the Service, by name; empty is all.
    pub section_name: Str,
    /// The listeners, or the port of the Service, with this number; absent is all.
    pub port: Option<u16>,
}

impl Default for ParentReference {
    fn default() -> Self {
        Self {
            group: GROUP.into(),
            kind: "Gateway".into(),
            namespace: Str::default(),
            name: Str::default(),
            section_name: Str::default(),
            port: None,
        }
    }
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BackendReference {
    /// Its API group; empty for a Service.
    pub group: Str,
    /// Its kind.
    pub kind: Str,
    /// Its name.
    pub name: Str,
    /// Its namespace; empty is the route's own.
    pub namespace: Str,
    /// The port of the Service.
    pub port: Option<u16>,
    /// Its share in relation to the sum of all shares.
    pub weight: u32,
    /// What happens to the requests that go there. Only routes of HTTP and gRPC have this.
    pub filters: Vec<RouteFilter>,
}

impl Default for BackendReference {
    fn default() -> Self {
        let service = ServiceReference::default();
        Self {
            group: service.group,
            kind: service.kind,
            name: service.name,
            namespace: service.namespace,
            port: service.port,
            weight: 1,
            filters: Vec::new(),
        }
    }
}

impl BackendReference {
    /// The reference without its share and filters.
    pub fn target(&self) -> ServiceReference {
        ServiceReference {
            group: self.group.clone(),
            kind: self.kind.clone(),
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            port: self.port,
        }
    }
}

/// A destination without a share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceReference {
    /// Its API group; empty for a Service.
    pub group: Str,
    /// Its kind.
    pub kind: Str,
    /// Its name.
    pub name: Str,
    /// Its namespace; empty is the route's own.
    pub namespace: Str,
    /// The port of the Service.
    pub port: Option<u16>,
}

impl Default for ServiceReference {
    fn default() -> Self {
        Self {
            group: Str::default(),
            kind: "Service".into(),
            name: Str::default(),
            namespace: Str::default(),
            port: None,
        }
    }
}

/// A Secret or a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObjectReference {
    /// Its API group; empty for the core kinds.
    pub group: Str,
    /// Its kind.
    pub kind: Str,
    /// Its name.
    pub name: Str,
    /// Its namespace; empty is that of the object that refers to it.
    pub namespace: Str,
}

impl Default for ObjectReference {
    fn default() -> Self {
        Self {
            group: Str::default(),
            kind: "Secret".into(),
            name: Str::default(),
            namespace: Str::default(),
        }
    }
}

/// An object of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LocalReference {
    /// Its API group; empty for the core kinds.
    pub group: Str,
    /// Its kind.
    pub kind: Str,
    /// Its name.
    pub name: Str,
}

/// What a policy is for, in its own namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PolicyTarget {
    /// Its API group; empty for a Service.
    pub group: Str,
    /// Its kind.
    pub kind: Str,
    /// Its name.
    pub name: Str,
    /// A port of the Service by name; empty is all.
    pub section_name: Str,
}
