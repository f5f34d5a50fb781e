//! Probes and hook handlers.

use std::time::Duration;

use serde::Deserialize;

/// How the health of a container is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    /// What is called.
    #[serde(flatten)]
    pub handler: Handler,
    /// Seconds before the first call.
    pub initial_delay_seconds: u32,
    /// Seconds between calls.
    pub period_seconds: u32,
    /// Seconds until a call counts as failed.
    pub timeout_seconds: u32,
    /// Successes in a row that make it healthy.
    pub success_threshold: u32,
    /// Failures in a row that make it unhealthy.
    pub failure_threshold: u32,
}

impl Default for Probe {
    /// The API's defaults.
    fn default() -> Self {
        Self {
            handler: Handler::default(),
            initial_delay_seconds: 0,
            period_seconds: 10,
            timeout_seconds: 1,
            success_threshold: 1,
            failure_threshold: 3,
        }
    }
}

impl Probe {
    /// Time between calls.
    pub fn period(&self) -> Duration {
        Duration::from_secs(u64::from(self.period_seconds.max(1)))
    }

    /// Time until a call counts as failed.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout_seconds.max(1)))
    }

    /// Time before the first call.
    pub fn initial_delay(&self) -> Duration {
        Duration::from_secs(u64::from(self.initial_delay_seconds))
    }
}

/// One way to call into a container; exactly one member is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Handler {
    /// An HTTP request.
    pub http_get: Option<HttpAction>,
    /// A TCP connection.
    pub tcp_socket: Option<TcpAction>,
    /// A command in the container.
    pub exec: Option<ExecAction>,
    /// gRPC health check; refused.
    pub grpc: Option<serde_json::Value>,
}

/// An HTTP request; 200 to 399 is a success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpAction {
    /// Address; empty is the pod's.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Port number or name.
    pub port: PortRef,
    /// `HTTP` or `HTTPS`; empty is HTTP.
    pub scheme: String,
    /// Extra headers.
    pub http_headers: Vec<HttpHeader>,
}

/// A header of a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpHeader {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A TCP connection; success when it is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpAction {
    /// Address; empty is the pod's.
    pub host: String,
    /// Port number or name.
    pub port: PortRef,
}

/// A command; success when it exits with 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecAction {
    /// The command and its arguments, without a shell.
    pub command: Vec<String>,
}

/// A port by number or by the name of a declared port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum PortRef {
    /// The number.
    Number(u16),
    /// The name, or a number written as text.
    Name(String),
}

impl Default for PortRef {
    fn default() -> Self {
        Self::Number(0)
    }
}
