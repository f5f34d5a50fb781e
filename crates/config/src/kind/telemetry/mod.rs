//! `Telemetry`: metrics, access logs and traces of workloads.

mod check;

use std::collections::BTreeMap;

use ferromesh_types::Str;
use serde::Deserialize;

use crate::value::{Duration, LabelSelector, PolicyTargetReference, WorkloadMode};

/// What some workloads report.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Telemetry {
    /// The workloads; absent is the whole namespace, or the mesh in the root namespace.
    pub selector: Option<LabelSelector>,
    /// Older, single spelling of `targetRefs`.
    pub target_ref: Option<PolicyTargetReference>,
    /// Objects that the settings are attached to.
    pub target_refs: Vec<PolicyTargetReference>,
    /// Traces.
    pub tracing: Vec<Tracing>,
    /// Metrics.
    pub metrics: Vec<Metrics>,
    /// Access logs.
    pub access_logging: Vec<AccessLogging>,
}

/// A provider of the mesh config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProviderRef {
    /// Its name.
    pub name: Str,
}

/// Traces.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tracing {
    /// The side that it is about.
    pub r#match: Option<ModeSelector>,
    /// Where spans go; at most one.
    pub providers: Vec<ProviderRef>,
    /// Share of new traces in percent, 0 to 100.
    pub random_sampling_percentage: Option<f64>,
    /// Forward trace headers and report nothing.
    pub disable_span_reporting: Option<bool>,
    /// More tags.
    pub custom_tags: BTreeMap<Str, CustomTag>,
    /// Mark the request id with the decision.
    pub use_request_id_for_trace_sampling: Option<bool>,
    /// Whether Istio's own tags are set.
    pub enable_istio_tags: Option<bool>,
    /// Declared by the API as a draft: stop the proxy from propagating trace context.
    pub disable_context_propagation: Option<bool>,
}

/// The side of the traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ModeSelector {
    /// The side.
    pub mode: WorkloadMode,
}

/// A tag; exactly one source is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CustomTag {
    /// A fixed value.
    pub literal: Option<LiteralTag>,
    /// An environment variable of the proxy.
    pub environment: Option<NamedTag>,
    /// A request header.
    pub header: Option<NamedTag>,
    /// An access log format.
    pub formatter: Option<LiteralTag>,
}

/// A fixed value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LiteralTag {
    /// The value.
    pub value: Str,
}

/// A value found by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NamedTag {
    /// The name.
    pub name: Str,
    /// The value when there is none.
    pub default_value: Str,
}

/// Metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Metrics {
    /// Where they go.
    pub providers: Vec<ProviderRef>,
    /// Changes of single metrics.
    pub overrides: Vec<MetricsOverrides>,
    /// Time between reports of TCP metrics; absent is 5 s.
    pub reporting_interval: Option<Duration>,
}

/// Changes of some metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricsOverrides {
    /// Which metrics; absent is all.
    pub r#match: Option<MetricSelector>,
    /// Whether they are off.
    pub disabled: Option<bool>,
    /// Changes of their labels.
    pub tag_overrides: BTreeMap<Str, TagOverride>,
}

/// Which metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricSelector {
    /// One of Istio's.
    pub metric: Option<StandardMetric>,
    /// Another one by name.
    pub custom_metric: Option<Str>,
    /// The side that reports.
    pub mode: WorkloadMode,
}

/// Istio's metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StandardMetric {
    /// All of them.
    #[default]
    AllMetrics,
    /// `istio_requests_total`.
    RequestCount,
    /// `istio_request_duration_milliseconds`.
    RequestDuration,
    /// `istio_request_bytes`.
    RequestSize,
    /// `istio_response_bytes`.
    ResponseSize,
    /// `istio_tcp_connections_opened_total`.
    TcpOpenedConnections,
    /// `istio_tcp_connections_closed_total`.
    TcpClosedConnections,
    /// `istio_tcp_sent_bytes_total`.
    TcpSentBytes,
    /// `istio_tcp_received_bytes_total`.
    TcpReceivedBytes,
    /// `istio_request_messages_total`.
    GrpcRequestMessages,
    /// `istio_response_messages_total`.
    GrpcResponseMessages,
}

/// A change of a label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TagOverride {
    /// What happens to it.
    pub operation: TagOperation,
    /// Its new value, an expression over attributes.
    pub value: Str,
}

/// What happens to a label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TagOperation {
    /// It gets the value.
    #[default]
    Upsert,
    /// It goes.
    Remove,
}

/// Access logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AccessLogging {
    /// The side that it is about.
    pub r#match: Option<ModeSelector>,
    /// Where lines go.
    pub providers: Vec<ProviderRef>,
    /// Whether logging is off.
    pub disabled: Option<bool>,
    /// Which requests are logged.
    pub filter: Option<LogFilter>,
}

/// Which requests are logged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogFilter {
    /// A CEL expression over attributes.
    pub expression: Str,
}
