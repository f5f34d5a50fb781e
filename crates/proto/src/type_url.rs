//! Type URLs of the resources and wrappers that the planes exchange.

/// What precedes a message name in a type URL.
pub const PREFIX: &str = "type.googleapis.com/";

/// CDS.
pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
/// EDS.
pub const ENDPOINT: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
/// LDS.
pub const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
/// RDS.
pub const ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
/// SDS.
pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
/// ECDS.
pub const EXTENSION_CONFIG: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
/// Static bootstrap.
pub const BOOTSTRAP: &str = "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap";
/// NDS: the table of the agent's DNS proxy.
pub const NAME_TABLE: &str = "type.googleapis.com/istio.networking.nds.v1.NameTable";
/// PCDS: settings for the agent.
pub const PROXY_CONFIG: &str = "type.googleapis.com/istio.mesh.v1alpha1.ProxyConfig";
/// Health reports of workloads outside Kubernetes; only in requests.
pub const HEALTH: &str = "type.googleapis.com/istio.v1.HealthInformation";
/// Questions of the command line tool, sent as discovery requests; without the usual prefix.
pub const DEBUG: &str = "istio.io/debug";
/// A message of another type in JSON form, older spelling.
pub const UDPA_TYPED_STRUCT: &str = "type.googleapis.com/udpa.type.v1.TypedStruct";
/// A message of another type in JSON form.
pub const XDS_TYPED_STRUCT: &str = "type.googleapis.com/xds.type.v3.TypedStruct";
/// TLS towards clients.
pub const DOWNSTREAM_TLS: &str =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
/// TLS towards servers.
pub const UPSTREAM_TLS: &str =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

/// The message name inside a type URL: what follows the last slash.
pub fn message_name(type_url: &str) -> &str {
    type_url.rsplit_once('/').map_or(type_url, |(_, name)| name)
}

/// The type URL of a message name.
pub fn of(message_name: &str) -> String {
    format!("{PREFIX}{message_name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_name_is_what_follows_the_last_slash() {
        assert_eq!(message_name(CLUSTER), "envoy.config.cluster.v3.Cluster");
        assert_eq!(message_name("plain.Name"), "plain.Name");
        assert_eq!(of("a.B"), "type.googleapis.com/a.B");
    }
}
