//! The traffic policy in force for one port of a service or subset.
//!
//! Precedence, from weak to strong: the rule's general sections, the rule's settings of the port,
//! the subset's general sections, the subset's settings of the port. Settings of a port replace the
//! general sections as a whole: what they leave out falls back to the default, not to the general
//! section.

use ferromesh_config::kind::destination_rule::{
    ClientTlsSettings, ConnectionPoolSettings, ConsistentHashLb, LoadBalancerSettings,
    OutlierDetection, PortTrafficPolicy, ProxyProtocol, RetryBudget, TrafficPolicy, TunnelSettings,
};

/// The sections in force; absent sections mean the default.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Policy<'a> {
    /// The choice of an endpoint.
    pub(crate) load_balancer: Option<&'a LoadBalancerSettings>,
    /// Limits of connections and requests.
    pub(crate) connection_pool: Option<&'a ConnectionPoolSettings>,
    /// Ejection of endpoints that fail.
    pub(crate) outlier_detection: Option<&'a OutlierDetection>,
    /// TLS towards the endpoints.
    pub(crate) tls: Option<&'a ClientTlsSettings>,
    /// A tunnel for TCP.
    pub(crate) tunnel: Option<&'a TunnelSettings>,
    /// The PROXY protocol towards the endpoints.
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    /// Limit of retries.
    pub(crate) retry_budget: Option<RetryBudget>,
}

impl<'a> Policy<'a> {
    /// What `rule` and then `subset` say about `port`.
    pub(crate) fn of(
        rule: Option<&'a TrafficPolicy>,
        subset: Option<&'a TrafficPolicy>,
        port: u16,
    ) -> Self {
        let mut policy = Self::default();
        for layer in [rule, subset].into_iter().flatten() {
            policy.override_with(layer);
            if let Some(settings) = of_port(layer, port) {
                policy.replace_with(settings);
            }
        }
        policy
    }

    /// The consistent hash, if that is how endpoints are chosen.
    pub(crate) fn consistent_hash(&self) -> Option<&'a ConsistentHashLb> {
        self.load_balancer
            .and_then(|lb| lb.consistent_hash.as_ref())
    }

    fn override_with(&mut self, layer: &'a TrafficPolicy) {
        self.load_balancer = layer.load_balancer.as_ref().or(self.load_balancer);
        self.connection_pool = layer.connection_pool.as_ref().or(self.connection_pool);
        self.outlier_detection = layer.outlier_detection.as_ref().or(self.outlier_detection);
        self.tls = layer.tls.as_ref().or(self.tls);
        self.tunnel = layer.tunnel.as_ref().or(self.tunnel);
        self.proxy_protocol = layer.proxy_protocol.or(self.proxy_protocol);
        self.retry_budget = layer.retry_budget.or(self.retry_budget);
    }

    fn replace_with(&mut self, settings: &'a PortTrafficPolicy) {
        self.load_balancer = settings.load_balancer.as_ref();
        self.connection_pool = settings.connection_pool.as_ref();
        self.outlier_detection = settings.outlier_detection.as_ref();
        self.tls = settings.tls.as_ref();
    }
}

fn of_port(layer: &TrafficPolicy, port: u16) -> Option<&PortTrafficPolicy> {
    layer
        .port_level_settings
        .iter()
        .find(|settings| settings.port.is_some_and(|p| p.number == port))
}

#[cfg(test)]
mod tests {
    use ferromesh_config::kind::virtual_service::PortSelector;

    use super::*;

    fn tcp(max_connections: u32) -> Option<ConnectionPoolSettings> {
        use ferromesh_config::kind::destination_rule::TcpSettings;
        Some(ConnectionPoolSettings {
            tcp: Some(TcpSettings {
                max_connections,
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    fn limit(policy: Policy<'_>) -> Option<u32> {
        let pool = policy.connection_pool?;
        pool.tcp.as_ref().map(|tcp| tcp.max_connections)
    }

    #[test]
    fn settings_of_a_port_replace_the_general_ones_as_a_whole() {
        let rule = TrafficPolicy {
            connection_pool: tcp(1),
            outlier_detection: Some(OutlierDetection::default()),
            port_level_settings: vec![PortTrafficPolicy {
                port: Some(PortSelector { number: 90 }),
                connection_pool: tcp(2),
                ..Default::default()
            }],
            ..Default::default()
        };
        let port = Policy::of(Some(&rule), None, 90);
        assert_eq!(limit(port), Some(2));
        assert!(port.outlier_detection.is_none());
        let other = Policy::of(Some(&rule), None, 80);
        assert_eq!(limit(other), Some(1));
        assert!(other.outlier_detection.is_some());
    }

    #[test]
    fn a_subset_overrides_section_by_section_on_top_of_the_port() {
        let rule = TrafficPolicy {
            connection_pool: tcp(1),
            port_level_settings: vec![PortTrafficPolicy {
                port: Some(PortSelector { number: 90 }),
                tls: Some(ClientTlsSettings::default()),
                ..Default::default()
            }],
            ..Default::default()
        };
        let subset = TrafficPolicy {
            connection_pool: tcp(5),
            ..Default::default()
        };
        let policy = Policy::of(Some(&rule), Some(&subset), 90);
        assert_eq!(limit(policy), Some(5));
        assert!(policy.tls.is_some());
    }
}
