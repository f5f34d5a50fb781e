//! `WorkloadGroup`: the template of the WorkloadEntries that register by themselves.

use ferromesh_types::{Labels, Str};
use serde::Deserialize;

use super::workload_entry::WorkloadEntry;

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
