//! Providers of telemetry and authorization that policies refer to by name.

use std::collections::BTreeMap;

use ferromesh_types::Str;
use serde::Deserialize;
use serde_json::Value;

/// A provider; exactly one of its sorts is set. Sorts that the mesh does not read yet are kept as
/// they were written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtensionProvider {
    /// Its name.
    pub name: Str,
    /// Access log lines into a file.
    pub envoy_file_access_log: Option<FileAccessLog>,
    /// Metrics for Prometheus.
    pub prometheus: Option<Value>,
    /// An external authorizer over HTTP.
    pub envoy_ext_authz_http: Option<Value>,
    /// An external authorizer over gRPC.
    pub envoy_ext_authz_grpc: Option<Value>,
    /// Traces for Zipkin.
    pub zipkin: Option<Value>,
    /// Traces for Datadog.
    pub datadog: Option<Value>,
    /// Traces for Lightstep.
    pub lightstep: Option<Value>,
    /// Traces for SkyWalking.
    pub skywalking: Option<Value>,
    /// Traces for OpenCensus.
    pub opencensus: Option<Value>,
    /// Traces for OpenTelemetry.
    pub opentelemetry: Option<Value>,
    /// Telemetry for Stackdriver.
    pub stackdriver: Option<Value>,
    /// Access log over gRPC for HTTP.
    pub envoy_http_als: Option<Value>,
    /// Access log over gRPC for TCP.
    pub envoy_tcp_als: Option<Value>,
    /// Access log over OpenTelemetry.
    pub envoy_otel_als: Option<Value>,
    /// Secrets over SDS.
    pub sds: Option<Value>,
}

impl ExtensionProvider {
    /// The providers that are there without being declared.
    pub fn built_in() -> Vec<Self> {
        let settings = || Some(Value::Object(serde_json::Map::new()));
        vec![
            Self {
                name: "prometheus".into(),
                prometheus: settings(),
                ..Self::default()
            },
            Self {
                name: "stackdriver".into(),
                stackdriver: settings(),
                ..Self::default()
            },
            Self {
                name: "envoy".into(),
                envoy_file_access_log: Some(FileAccessLog {
                    path: "/dev/stdout".into(),
                    ..FileAccessLog::default()
                }),
                ..Self::default()
            },
        ]
    }
}

/// Access log lines into a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FileAccessLog {
    /// The file.
    pub path: Str,
    /// The format; absent is that of the mesh.
    pub log_format: Option<LogFormat>,
    /// Whether empty values are left out instead of `-`.
    pub omit_empty_values: bool,
}

/// A format; one of its forms is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogFormat {
    /// A line of text.
    pub text: Str,
    /// A JSON object.
    pub labels: Option<BTreeMap<Str, Value>>,
}

/// Providers that are used where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DefaultProviders {
    /// Of traces.
    pub tracing: Vec<Str>,
    /// Of metrics.
    pub metrics: Vec<Str>,
    /// Of access logs.
    pub access_logging: Vec<Str>,
}
