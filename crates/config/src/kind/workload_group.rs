//! `WorkloadGroup`: the template of the WorkloadEntries that register by themselves.

use ferromesh_types::{Labels, Str};
use serde::Deserialize;

use super::workload_entry::{self, Address, WorkloadEntry};
use crate::check::{Findings, address, name};
use crate::parse::Body;

/// A template with a probe.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkloadGroup {
    /// Labels and annotations of the entries.
    pub metadata: TemplateMeta,
    /// The entry without its address.
    pub template: Option<WorkloadEntry>,
    /// How the agent checks the workload.
    pub probe: Option<ReadinessProbe>,
}

/// Labels and annotations of the entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TemplateMeta {
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
}

/// A probe; exactly one of the four ways is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReadinessProbe {
    /// Seconds before the first check.
    pub initial_delay_seconds: u32,
    /// Seconds that a check may take; 0 is 1.
    pub timeout_seconds: u32,
    /// Seconds between checks; 0 is 10.
    pub period_seconds: u32,
    /// Successes before the workload counts as ready; 0 is 1.
    pub success_threshold: u32,
    /// Failures before the workload counts as not ready; 0 is 3.
    pub failure_threshold: u32,
    /// An HTTP request.
    pub http_get: Option<HttpProbe>,
    /// A TCP connection.
    pub tcp_socket: Option<TcpProbe>,
    /// A command.
    pub exec: Option<ExecProbe>,
    /// A gRPC health check.
    pub grpc: Option<GrpcProbe>,
}

/// An HTTP request as probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpProbe {
    /// Path; empty is `/`.
    pub path: Str,
    /// Port.
    pub port: u16,
    /// Host header; empty is the workload's address.
    pub host: Str,
    /// `HTTP` or `HTTPS`.
    pub scheme: Str,
    /// More headers.
    pub http_headers: Vec<HttpHeader>,
}

/// A header of a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpHeader {
    /// Its name.
    pub name: Str,
    /// Its value.
    pub value: Str,
}

/// A TCP connection as probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpProbe {
    /// Host; empty is the workload itself.
    pub host: Str,
    /// Port.
    pub port: u16,
}

/// A command as probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExecProbe {
    /// The command with its arguments.
    pub command: Vec<Str>,
}

/// A gRPC health check as probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcProbe {
    /// Port.
    pub port: u16,
    /// The service that is asked for.
    pub service: Option<Str>,
}

impl Body for WorkloadGroup {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        match &self.template {
            None => findings.required("template", false),
            Some(template) => findings.field("template", |findings| {
                workload_entry::check(findings, template, Address::Open);
            }),
        }
        findings.field("metadata", |findings| {
            findings.field("labels", |findings| {
                for (key, value) in self.metadata.labels.iter() {
                    findings.rule_here(name::label_key(key));
                    findings.rule(key, name::label_value(value));
                }
            });
        });
        findings.some("probe", self.probe.as_ref(), probe);
    }
}

/// The rules of a probe.
fn probe(findings: &mut Findings<'_>, probe: &ReadinessProbe) {
    findings.at_most_one(&["httpGet", "tcpSocket", "exec", "grpc"]);
    findings.some("httpGet", probe.http_get.as_ref(), |findings, http| {
        findings.required("port", findings.is_written("port"));
        if findings.is_written("port") {
            findings.rule("port", address::port(http.port));
        }
        if !matches!(http.scheme.as_str(), "" | "HTTP" | "HTTPS") {
            findings.error_at(
                "scheme",
                "Invalid value: \"string\": scheme must be one of [HTTP, HTTPS]",
            );
        }
        findings.each("httpHeaders", &http.http_headers, |findings, header| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if findings.is_written("name")
                && (header.name.is_empty() || !header.name.bytes().all(plain))
            {
                findings.field("name", |findings| {
                    findings.no_match(&header.name, "^[-_A-Za-z0-9]+$");
                });
            }
        });
    });
    findings.some("tcpSocket", probe.tcp_socket.as_ref(), |findings, tcp| {
        findings.required("port", findings.is_written("port"));
        if findings.is_written("port") {
            findings.rule("port", address::port(tcp.port));
        }
    });
    findings.some("exec", probe.exec.as_ref(), |findings, exec| {
        findings.required("command", findings.is_written("command"));
        findings.no_empty_texts("command", &exec.command);
    });
    findings.some("grpc", probe.grpc.as_ref(), |findings, grpc| {
        if findings.is_written("port") {
            findings.rule("port", address::port(grpc.port));
        }
    });
}
