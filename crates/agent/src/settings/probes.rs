//! The application's own probes, which the platform asks the agent for instead.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::environment::wrong;
use super::{Environment, SettingsError};

/// One probe of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppProbe {
    /// How to ask.
    pub kind: ProbeKind,
    /// How long the application has.
    pub timeout: Duration,
}

/// How the application is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// An HTTP request.
    Http(HttpProbe),
    /// A TCP connection.
    Tcp {
        /// Port of the application.
        port: u16,
    },
    /// The gRPC health protocol.
    Grpc {
        /// Port of the application.
        port: u16,
        /// Service to ask about; empty for the server as a whole.
        service: String,
    },
}

/// An HTTP request to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// Port.
    pub port: u16,
    /// Path with query.
    pub path: String,
    /// With TLS; the certificate is not checked, as the platform would not either.
    pub https: bool,
    /// Further headers; `Host` replaces the default.
    pub headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    http_get: Option<WrittenHttp>,
    tcp_socket: Option<WrittenPort>,
    grpc: Option<WrittenGrpc>,
    timeout_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenHttp {
    #[serde(default)]
    path: String,
    port: u16,
    #[serde(default)]
    scheme: String,
    #[serde(default)]
    http_headers: Vec<WrittenHeader>,
}

#[derive(Deserialize)]
struct WrittenHeader {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct WrittenPort {
    port: u16,
}

#[derive(Deserialize)]
struct WrittenGrpc {
    port: u16,
    #[serde(default)]
    service: Option<String>,
}

/// Reads `ISTIO_KUBE_APP_PROBERS`: path on the status server to probe.
pub(super) fn read(environment: &Environment) -> Result<BTreeMap<String, AppProbe>, SettingsError> {
    const NAME: &str = "ISTIO_KUBE_APP_PROBERS";
    const EXPECTED: &str = "a JSON object of paths below /app-health or /app-lifecycle to probes \
                            with one of httpGet, tcpSocket and grpc";
    let Some(text) = environment.find(NAME) else {
        return Ok(BTreeMap::new());
    };
    let bad = || wrong(NAME, text, EXPECTED);
    let written: BTreeMap<String, Written> = serde_json::from_str(text).map_err(|_| bad())?;
    let mut probes = BTreeMap::new();
    for (path, written) in written {
        let allowed = path.starts_with("/app-health/") || path.starts_with("/app-lifecycle/");
        let kind = kind(&written).filter(|_| allowed).ok_or_else(bad)?;
        // Kubernetes' own default is one second.
        let timeout = Duration::from_secs(written.timeout_seconds.unwrap_or(1).max(1));
        probes.insert(path, AppProbe { kind, timeout });
    }
    Ok(probes)
}

fn kind(written: &Written) -> Option<ProbeKind> {
    match (&written.http_get, &written.tcp_socket, &written.grpc) {
        (Some(http), None, None) => Some(ProbeKind::Http(HttpProbe {
            port: http.port,
            path: format!("/{}", http.path.trim_start_matches('/')),
            https: http.scheme.eq_ignore_ascii_case("https"),
            headers: http
                .http_headers
                .iter()
                .map(|header| (header.name.clone(), header.value.clone()))
                .collect(),
        })),
        (None, Some(tcp), None) => Some(ProbeKind::Tcp { port: tcp.port }),
        (None, None, Some(grpc)) => Some(ProbeKind::Grpc {
            port: grpc.port,
            service: grpc.service.clone().unwrap_or_default(),
        }),
        _ => None,
    }
}
