//! The rules of DestinationRule beyond its types.

use super::load_balancer_check::load_balancer;
use super::{
    ClientTlsMode, ClientTlsSettings, ConnectionPoolSettings, DestinationRule, OutlierDetection,
    PortTrafficPolicy, Subset, TrafficPolicy, TunnelSettings,
};
use crate::check::{Findings, address, name, scope, text};
use crate::parse::Body;
use crate::problem::Code;
use crate::value::Duration;

impl Body for DestinationRule {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        if self.host.as_str().is_empty() {
            findings.required("host", false);
        } else {
            findings.rule("host", name::host(self.host.as_str()));
        }
        findings.some(
            "trafficPolicy",
            self.traffic_policy.as_ref(),
            traffic_policy,
        );
        findings.each("subsets", &self.subsets, subset);
        for (index, subset) in self.subsets.iter().enumerate() {
            if self.subsets[..index]
                .iter()
                .any(|other| other.name == subset.name)
            {
                findings.error_at(
                    &format!("subsets[{index}].name"),
                    format!("Duplicate value: \"{}\"", subset.name),
                );
            }
        }
        scope::export_to(findings, &self.export_to);
        findings.some(
            "workloadSelector",
            self.workload_selector.as_ref(),
            |findings, selector| {
                scope::labels(findings, "matchLabels", &selector.match_labels);
            },
        );
    }
}

fn subset(findings: &mut Findings<'_>, subset: &Subset) {
    if subset.name.is_empty() {
        findings.required("name", false);
    } else {
        findings.rule("name", name::label_value(&subset.name));
    }
    scope::labels(findings, "labels", &subset.labels);
    findings.some(
        "trafficPolicy",
        subset.traffic_policy.as_ref(),
        traffic_policy,
    );
}

fn traffic_policy(findings: &mut Findings<'_>, policy: &TrafficPolicy) {
    findings.some("loadBalancer", policy.load_balancer.as_ref(), load_balancer);
    findings.some(
        "connectionPool",
        policy.connection_pool.as_ref(),
        connection_pool,
    );
    findings.some(
        "outlierDetection",
        policy.outlier_detection.as_ref(),
        outlier_detection,
    );
    findings.some("tls", policy.tls.as_ref(), client_tls);
    findings.each(
        "portLevelSettings",
        &policy.port_level_settings,
        port_policy,
    );
    findings.some("tunnel", policy.tunnel.as_ref(), tunnel);
    findings.some(
        "retryBudget",
        policy.retry_budget.as_ref(),
        |findings, budget| {
            if let Some(share) = budget.percent {
                findings.rule("percent", text::percent(share.0));
            }
        },
    );
}

fn port_policy(findings: &mut Findings<'_>, policy: &PortTrafficPolicy) {
    match policy.port {
        None => findings.required("port", false),
        Some(port) => findings.field("port", |findings| {
            findings.rule("number", address::port(port.number));
        }),
    }
    findings.some("loadBalancer", policy.load_balancer.as_ref(), load_balancer);
    findings.some(
        "connectionPool",
        policy.connection_pool.as_ref(),
        connection_pool,
    );
    findings.some(
        "outlierDetection",
        policy.outlier_detection.as_ref(),
        outlier_detection,
    );
    findings.some("tls", policy.tls.as_ref(), client_tls);
}

/// The rules of connection limits, here and in Sidecar.
pub(crate) fn connection_pool(findings: &mut Findings<'_>, pool: &ConnectionPoolSettings) {
    if !findings.is_written("tcp") && !findings.is_written("http") {
        findings.error("Invalid value: connection pool must have at least one field");
    }
    findings.some("tcp", pool.tcp.as_ref(), |findings, tcp| {
        durations(
            findings,
            &[
                ("connectTimeout", tcp.connect_timeout),
                ("maxConnectionDuration", tcp.max_connection_duration),
            ],
        );
        // Zero switches the limit off.
        if let Some(time) = tcp.idle_timeout {
            findings.rule("idleTimeout", text::duration_or_zero(time));
        }
        findings.some(
            "tcpKeepalive",
            tcp.tcp_keepalive.as_ref(),
            |findings, keepalive| {
                durations(
                    findings,
                    &[("time", keepalive.time), ("interval", keepalive.interval)],
                );
            },
        );
    });
    findings.some("http", pool.http.as_ref(), |findings, http| {
        if let Some(time) = http.idle_timeout {
            findings.rule("idleTimeout", text::duration_or_zero(time));
        }
        if http.use_client_protocol && http.h2_upgrade_policy == super::H2UpgradePolicy::Upgrade {
            findings.error(
                "Invalid value: use client protocol must not be true when H2UpgradePolicy is UPGRADE",
            );
        }
    });
}

fn durations(findings: &mut Findings<'_>, values: &[(&str, Option<Duration>)]) {
    for (field, value) in values {
        if let Some(value) = value {
            findings.rule(field, text::duration(*value));
        }
    }
}

fn outlier_detection(findings: &mut Findings<'_>, value: &OutlierDetection) {
    durations(
        findings,
        &[
            ("interval", value.interval),
            ("baseEjectionTime", value.base_ejection_time),
        ],
    );
    for (field, share) in [
        ("maxEjectionPercent", value.max_ejection_percent),
        ("minHealthPercent", value.min_health_percent),
    ] {
        findings.rule(field, text::percent(f64::from(share)));
    }
    if value
        .consecutive_local_origin_failures
        .is_some_and(|count| count > 0)
        && !value.split_external_local_origin_errors
    {
        findings.error_at(
            "consecutiveLocalOriginFailures",
            "Invalid value: outlier detection consecutive local origin failures is specified, \
             but split external local origin errors is set to false",
        );
    }
    if value.consecutive_errors > 0 {
        findings.warn_at(
            "consecutiveErrors",
            Code::Deprecated,
            "has no effect; use consecutive5xxErrors",
        );
    }
}

fn client_tls(findings: &mut Findings<'_>, tls: &ClientTlsSettings) {
    let files = [
        ("clientCertificate", &tls.client_certificate),
        ("privateKey", &tls.private_key),
        ("caCertificates", &tls.ca_certificates),
    ];
    if tls.mode == ClientTlsMode::IstioMutual {
        for (field, file) in files {
            if !file.is_empty() {
                findings.error_at(field, "Invalid value: must not be set with ISTIO_MUTUAL");
            }
        }
    }
    if tls.mode == ClientTlsMode::Mutual && tls.credential_name.is_empty() {
        for (field, file) in &files[..2] {
            if file.is_empty() {
                findings.error_at(
                    field,
                    "Required value: with MUTUAL, unless credentialName is set",
                );
            }
        }
    }
    if !tls.credential_name.is_empty() && files.iter().any(|(_, file)| !file.is_empty()) {
        findings.error_at(
            "credentialName",
            "Invalid value: certificates are given as files as well; only one way may be used",
        );
    }
    findings.no_empty_texts("subjectAltNames", &tls.subject_alt_names);
    if tls.mode == ClientTlsMode::Simple
        && tls.ca_certificates.is_empty()
        && tls.credential_name.is_empty()
        && tls.insecure_skip_verify != Some(true)
    {
        findings.warn_at(
            "caCertificates",
            Code::Suspicious,
            "without it the server is verified with the system's trusted roots",
        );
    }
}

fn tunnel(findings: &mut Findings<'_>, value: &TunnelSettings) {
    if !matches!(value.protocol.as_str(), "" | "CONNECT" | "POST") {
        findings.error_at(
            "protocol",
            format!(
                "Unsupported value: \"{}\": supported values: \"CONNECT\", \"POST\"",
                value.protocol
            ),
        );
    }
    if value.target_host.is_empty() {
        findings.required("targetHost", false);
    } else if address::ip(&value.target_host).is_err() {
        findings.rule("targetHost", name::exact_host(&value.target_host));
    }
    findings.rule("targetPort", address::port(value.target_port));
}
