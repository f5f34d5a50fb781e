//! Which generated objects a patch is for.

use ferromesh_types::{Labels, Str};
use serde::Deserialize;

/// Conditions on proxy and object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObjectMatch {
    /// The side of the traffic.
    pub context: PatchContext,
    /// The proxy.
    pub proxy: Option<ProxyMatch>,
    /// The listener that holds the object.
    pub listener: Option<ListenerMatch>,
    /// The route configuration that holds the object.
    pub route_configuration: Option<RouteConfigurationMatch>,
    /// The cluster.
    pub cluster: Option<ClusterMatch>,
    /// The part of a waypoint.
    pub waypoint: Option<WaypointMatch>,
}

/// The side of the traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PatchContext {
    /// Any.
    #[default]
    Any,
    /// Inbound of sidecars.
    SidecarInbound,
    /// Outbound of sidecars.
    SidecarOutbound,
    /// Gateways.
    Gateway,
    /// Waypoints.
    Waypoint,
}

/// The proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyMatch {
    /// A regular expression on its version.
    pub proxy_version: Str,
    /// Node metadata that it carries.
    pub metadata: Labels,
}

/// A listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListenerMatch {
    /// The port.
    pub port_number: u16,
    /// Declared by the API and without effect.
    pub port_name: Str,
    /// A filter chain in it.
    pub filter_chain: Option<FilterChainMatch>,
    /// A listener filter in it.
    pub listener_filter: Str,
    /// Its name.
    pub name: Str,
}

/// A filter chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FilterChainMatch {
    /// Its name.
    pub name: Str,
    /// A server name of its match.
    pub sni: Str,
    /// The transport protocol of its match.
    pub transport_protocol: Str,
    /// Application protocols of its match, separated by commas.
    pub application_protocols: Str,
    /// A filter in it.
    pub filter: Option<FilterMatch>,
    /// The destination port of its match.
    pub destination_port: u16,
}

/// A network filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FilterMatch {
    /// Its name.
    pub name: Str,
    /// A filter in it.
    pub sub_filter: Option<SubFilterMatch>,
}

/// An HTTP filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SubFilterMatch {
    /// Its name.
    pub name: Str,
}

/// A route configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteConfigurationMatch {
    /// The port.
    pub port_number: u16,
    /// The port's name, of gateways.
    pub port_name: Str,
    /// The Gateway as `namespace/name`.
    pub gateway: Str,
    /// A virtual host in it.
    pub vhost: Option<VirtualHostMatch>,
    /// Its name.
    pub name: Str,
}

/// A virtual host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VirtualHostMatch {
    /// Its name, as `host:port`.
    pub name: Str,
    /// One of its domains.
    pub domain_name: Str,
    /// A route in it.
    pub route: Option<RouteMatch>,
}

/// A route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteMatch {
    /// Its name.
    pub name: Str,
    /// What it does.
    pub action: RouteAction,
}

/// What a route does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RouteAction {
    /// Anything.
    #[default]
    Any,
    /// Forward.
    Route,
    /// Redirect.
    Redirect,
    /// Answer.
    DirectResponse,
}

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClusterMatch {
    /// The port of the service.
    pub port_number: u16,
    /// The service's host.
    pub service: Str,
    /// The subset.
    pub subset: Str,
    /// The cluster's name.
    pub name: Str,
}

/// A part of a waypoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WaypointMatch {
    /// The service's port.
    pub port_number: u16,
    /// A network filter.
    pub filter: Option<WaypointFilterMatch>,
    /// A route.
    pub route: Option<WaypointRouteMatch>,
}

/// A network filter of a waypoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WaypointFilterMatch {
    /// Its name.
    pub name: Str,
    /// A filter in it.
    pub sub_filter: Option<SubFilterMatch>,
}

/// A route of a waypoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WaypointRouteMatch {
    /// Its name.
    pub name: Str,
}
