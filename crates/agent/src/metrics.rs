//! The agent's own numbers, under the names that Istio's agent has given them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use ferromesh_runtime::Published;

use crate::certificate::WorkloadCertificate;
use crate::dns::DnsCounters;

/// Counters of the discovery relay or client.
#[derive(Debug, Default)]
pub struct DiscoveryCounters {
    /// Messages from the data plane.
    pub requests: AtomicU64,
    /// Messages from the control plane.
    pub responses: AtomicU64,
    /// Streams to the control plane that were opened.
    pub connections: AtomicU64,
    /// Streams that ended with an error.
    pub failures: AtomicU64,
}

/// Everything that is counted.
#[derive(Clone, Debug)]
pub struct AgentMetrics {
    /// Of the DNS proxy.
    pub dns: Arc<DnsCounters>,
    /// Of discovery.
    pub discovery: Arc<DiscoveryCounters>,
    /// The certificate in force.
    pub certificate: Published<Option<Arc<WorkloadCertificate>>>,
}

impl AgentMetrics {
    /// Prometheus text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for (name, help, value) in [
            (
                "istio_agent_dns_requests_total",
                "DNS queries received.",
                count(&self.dns.requests),
            ),
            (
                "istio_agent_dns_upstream_requests_total",
                "DNS queries passed on.",
                count(&self.dns.forwarded),
            ),
            (
                "istio_agent_dns_upstream_failures_total",
                "DNS queries passed on that nobody answered.",
                count(&self.dns.failures),
            ),
            (
                "istio_agent_xds_proxy_requests",
                "Discovery messages from the data plane.",
                count(&self.discovery.requests),
            ),
            (
                "istio_agent_xds_proxy_responses",
                "Discovery messages from the control plane.",
                count(&self.discovery.responses),
            ),
            (
                "istio_agent_pilot_xds",
                "Streams opened to the control plane.",
                count(&self.discovery.connections),
            ),
            (
                "istio_agent_xds_proxy_connection_terminations",
                "Streams to the control plane that ended with an error.",
                count(&self.discovery.failures),
            ),
        ] {
            metric(&mut text, name, "counter", help, value as f64);
        }
        if let Some(certificate) = self.certificate.load().as_ref() {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let left = certificate.not_after as f64 - now.as_secs_f64();
            let help = "Seconds until the workload certificate ends.";
            metric(
                &mut text,
                "istio_agent_cert_expiry_seconds",
                "gauge",
                help,
                left.floor(),
            );
        }
        text
    }
}

fn metric(text: &mut String, name: &str, kind: &str, help: &str, value: f64) {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"
    );
}
