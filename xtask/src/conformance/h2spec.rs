//! Set `h2spec`: the public conformance test of HTTP/2 servers, against our listeners with a real
//! endpoint behind them, and against a stock Envoy with the same configuration to compare.
//!
//! Three ways in: prior knowledge in plain text, TLS with ALPN, and a listener like a sidecar's,
//! which looks at the first bytes to find the filter chain and the codec. What is not HTTP there
//! goes on as TCP, to an endpoint that hangs up.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::proxy::{Proxy, address};
use super::{Case, certificates, go};
use crate::shell;

const H2SPEC: &str = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";

/// Tests of that version; a run with fewer has skipped some.
const TESTS: usize = 145;

/// How long an answer of ours may take: only a hang takes longer, even on a busy machine. A run that
/// passes never waits for it.
const OUR_SECONDS: &str = "20";

/// What Envoy never answers is waited for to the end, and nothing depends on it.
const ENVOY_SECONDS: &str = "1";

/// The ways in: listener, and how h2spec goes there.
const WAYS: [(&str, &[&str]); 3] = [
    ("plaintext", &[]),
    ("tls", &["--tls", "--insecure"]),
    ("detected", &[]),
];

/// Runs the tests; only what our own proxy fails counts.
pub fn run(folder: &Path) -> anyhow::Result<Vec<Case>> {
    let Some(h2spec) = go::program(H2SPEC)? else {
        return Ok(Vec::new());
    };
    certificates::write(folder)?;
    let (http, mute) = (Endpoint::http()?, Endpoint::mute()?);
    let bootstrap = bootstrap(folder, http.address, mute.address);
    let cases = through(
        &Proxy::ours(bootstrap.clone())?,
        &h2spec,
        folder,
        OUR_SECONDS,
    )?;
    if let Some(envoy) = Proxy::envoy(bootstrap)? {
        through(&envoy, &h2spec, folder, ENVOY_SECONDS)?;
    }
    Ok(cases)
}

fn through(
    proxy: &Proxy,
    h2spec: &Path,
    folder: &Path,
    seconds: &str,
) -> anyhow::Result<Vec<Case>> {
    let mut all = Vec::new();
    for (way, flags) in WAYS {
        let port = proxy.listeners[way].port().to_string();
        let report = folder.join(format!("{}-{way}.xml", proxy.name));
        let mut command = Command::new(h2spec);
        command.args(flags).args(["--port", &port]);
        command.args(["--timeout", seconds]);
        command.arg("--junit-report").arg(&report);
        // It fails when a test does; the report says which.
        shell::capture(&mut command)?;
        let cases = read_report(&report, way)?;
        if cases.len() != TESTS {
            bail!("h2spec reported {} tests instead of {TESTS}", cases.len());
        }
        let passed = cases.iter().filter(|case| case.differences.is_empty());
        println!(
            "  {} {way}: {} of {TESTS} passed",
            proxy.name,
            passed.count()
        );
        all.extend(cases);
    }
    Ok(all)
}

/// What h2spec wrote for other programs: one element per test, with what it says inside.
fn read_report(path: &Path, way: &str) -> anyhow::Result<Vec<Case>> {
    let text = fs::read_to_string(path).with_context(|| format!("no {}", path.display()))?;
    let cases = text.split("<testcase ").skip(1);
    Ok(cases
        .map(|element| {
            let name = attribute(element, "package");
            let title = attribute(element, "classname");
            Case {
                name: format!("{way} {name}: {title}"),
                differences: complaint(element).into_iter().collect(),
            }
        })
        .collect())
}

fn attribute<'t>(element: &'t str, name: &str) -> &'t str {
    let begin = format!("{name}=\"");
    let rest = element.split_once(&begin).map_or("", |(_, rest)| rest);
    rest.split_once('"').map_or(rest, |(value, _)| value)
}

/// Why a test is not passed.
fn complaint(element: &str) -> Option<String> {
    let element = element.split("</testcase>").next().unwrap_or(element);
    if element.contains("<skipped") {
        return Some("skipped".to_owned());
    }
    let (_, inside) = element
        .split_once("<failure>")
        .or_else(|| element.split_once("<error>"))?;
    let text = inside.split("</").next().unwrap_or(inside);
    Some(text.replace("&#xA;", "; ").replace('\n', "; "))
}

/// One listener per way in, all to the same HTTP endpoint.
fn bootstrap(folder: &Path, http: SocketAddr, mute: SocketAddr) -> Value {
    let any_port = address(SocketAddr::from(([127, 0, 0, 1], 0)));
    let file = |name: &str| json!({"filename": folder.join(name)});
    let tls = json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificates": [
                {"certificate_chain": file("cert.pem"), "private_key": file("key.pem")}
            ],
        },
    }});
    let inspector = |name: &str, kind: &str| {
        let kind = format!("type.googleapis.com/envoy.extensions.filters.listener.{kind}");
        json!({"name": format!("envoy.filters.listener.{name}"), "typed_config": {"@type": kind}})
    };
    let tcp = json!({"name": "tcp", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp",
        "cluster": "mute",
    }});
    json!({"static_resources": {
        "listeners": [
            {
                "name": "plaintext",
                "address": any_port,
                "filter_chains": [{"filters": [manager("HTTP2")]}],
            },
            {
                "name": "tls",
                "address": any_port,
                "filter_chains": [{"filters": [manager("AUTO")], "transport_socket": tls}],
            },
            {
                "name": "detected",
                "address": any_port,
                "listener_filters": [
                    inspector("tls_inspector", "tls_inspector.v3.TlsInspector"),
                    inspector("http_inspector", "http_inspector.v3.HttpInspector"),
                ],
                "filter_chains": [{
                    "filter_chain_match": {"application_protocols": ["http/1.1", "h2c"]},
                    "filters": [manager("AUTO")],
                }],
                "default_filter_chain": {"filters": [tcp]},
            },
        ],
        "clusters": [cluster("http", http), cluster("mute", mute)],
    }})
}

fn manager(codec: &str) -> Value {
    let kind = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.\
                HttpConnectionManager";
    let router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    json!({"name": "hcm", "typed_config": {
        "@type": kind,
        "stat_prefix": "web",
        "codec_type": codec,
        "http_filters": [{"name": "router", "typed_config": {"@type": router}}],
        "route_config": {"name": "r", "virtual_hosts": [{
            "name": "v",
            "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "http"}}],
        }]},
    }})
}

fn cluster(name: &str, endpoint: SocketAddr) -> Value {
    let endpoint = json!({"endpoint": {"address": address(endpoint)}});
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    })
}
