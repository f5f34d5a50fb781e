//! The names of generated resources. Tools, EnvoyFilters and dashboards read them, so they are
//! exactly Istio's.

use ferromesh_types::Hostname;

/// No cluster has this name: requests to it fail.
pub(crate) const UNKNOWN_SERVICE: &str = "UnknownService";
/// Traffic that no listener claims goes to where it was going.
pub(crate) const PASSTHROUGH: &str = "PassthroughCluster";
/// Requests to unknown hosts are resolved by the proxy and sent there.
pub(crate) const DYNAMIC_DNS: &str = "AllowAnyDynamicDNSCluster";
/// Traffic that must go nowhere.
pub(crate) const BLACK_HOLE: &str = "BlackHoleCluster";
/// Inbound traffic to a port that no service claims.
pub(crate) const INBOUND_PASSTHROUGH: &str = "InboundPassthroughCluster";
/// The listener that captured outbound connections reach.
pub(crate) const VIRTUAL_OUTBOUND: &str = "virtualOutbound";
/// The listener that captured inbound connections reach.
pub(crate) const VIRTUAL_INBOUND: &str = "virtualInbound";
/// The SDS cluster of the bootstrap: the agent's socket.
pub(crate) const SDS_CLUSTER: &str = "sds-grpc";
/// The workload's own certificate.
pub(crate) const SECRET_WORKLOAD: &str = "default";
/// The mesh's trust bundle.
pub(crate) const SECRET_ROOT: &str = "ROOTCA";

/// `outbound|80|v1|reviews.default.svc.cluster.local`.
pub(crate) fn outbound_cluster(port: u16, subset: &str, host: &Hostname) -> String {
    format!("outbound|{port}|{subset}|{host}")
}

/// `inbound|8080||`.
pub(crate) fn inbound_cluster(target_port: u16) -> String {
    format!("inbound|{target_port}||")
}

/// The server name of mutual TLS between workloads:
/// `outbound_.80_.v1_.reviews.default.svc.cluster.local`.
pub(crate) fn mutual_tls_sni(port: u16, subset: &str, host: &Hostname) -> String {
    format!("outbound_.{port}_.{subset}_.{host}")
}

/// Whether the name of a cluster is a server name of mutual TLS.
pub(crate) fn is_server_name(cluster: &str) -> bool {
    cluster.starts_with("outbound_.")
}

/// `*.example.com_dfp_dns_cache`.
pub(crate) fn dns_cache(host: &Hostname) -> String {
    format!("{host}_dfp_dns_cache")
}

/// `0.0.0.0_8080`.
pub(crate) fn listener(bind: &str, port: u16) -> String {
    format!("{bind}_{port}")
}

/// A name as statistics prefix: the `;` ends it for the tag expressions of the bootstrap.
pub(crate) fn stat_prefix(name: &str) -> String {
    format!("{name};")
}

/// The parts of a cluster name: direction, port, subset, host. Both `|` and the form of server
/// names (`outbound_.80_.v1_.host`) are read.
pub(crate) fn parse_cluster(name: &str) -> Option<(&str, u16, &str, &str)> {
    let separator = if name.contains('|') { "|" } else { "_." };
    let mut parts = name.splitn(4, separator);
    let direction = parts.next()?;
    let port = parts.next()?.parse().ok()?;
    Some((direction, port, parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_names_are_read_back_in_both_forms() {
        let host = Hostname::from("a.b.svc.cluster.local");
        assert_eq!(
            parse_cluster(&outbound_cluster(80, "v1", &host)),
            Some(("outbound", 80, "v1", "a.b.svc.cluster.local"))
        );
        assert_eq!(
            parse_cluster(&mutual_tls_sni(80, "", &host)),
            Some(("outbound", 80, "", "a.b.svc.cluster.local"))
        );
        assert_eq!(parse_cluster("BlackHoleCluster"), None);
        assert_eq!(parse_cluster("outbound|x||h"), None);
    }
}
