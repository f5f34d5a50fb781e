//! Set `grpc`: the public interoperability test of gRPC, its client and its server in Go, through
//! our proxy and through a stock Envoy with the same configuration.
//!
//! Two ways: HTTP/2 in plain text on both sides; and a TLS client to a proxy's listener, from there
//! over mutual TLS to a second listener, and on to the server, as between two workloads of a mesh.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use super::proxy::{Proxy, address};
use super::{Case, certificates, go};
use crate::ports::free_address;

const CLIENT: &str = "google.golang.org/grpc/interop/client@v1.82.0";
const SERVER: &str = "google.golang.org/grpc/interop/server@v1.82.0";

/// The client's cases, without those that need credentials of a cloud, and without the three that
/// this version's server does not pass by itself either (pick_first_unary, orca_per_rpc, orca_oob).
const CASES: [&str; 16] = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
    "rpc_soak",
    "channel_soak",
];

/// One case takes milliseconds; more than this is a hang.
const CASE_LIMIT: Duration = Duration::from_secs(30);

/// Runs the cases through both proxies.
pub fn run(folder: &Path) -> anyhow::Result<Vec<Case>> {
    let (Some(client), Some(server)) = (go::program(CLIENT)?, go::program(SERVER)?) else {
        return Ok(Vec::new());
    };
    certificates::write(folder)?;
    let at = free_address()?;
    let _server = Server::start(&server, at, folder)?;
    let ours = Proxy::ours(bootstrap(folder, free_address()?, at))?;
    let mut cases = through(&ours, &client, folder)?;
    if let Some(envoy) = Proxy::envoy(bootstrap(folder, free_address()?, at))? {
        cases.extend(through(&envoy, &client, folder)?);
    }
    Ok(cases)
}

/// The running server; it ends when this is dropped.
struct Server(Child);

impl Server {
    fn start(program: &Path, at: SocketAddr, folder: &Path) -> anyhow::Result<Self> {
        let log = File::create(folder.join("server.log"))?;
        let child = Command::new(program)
            .args(["--port", &at.port().to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let server = Self(child);
        let begun = Instant::now();
        while TcpStream::connect(at).is_err() {
            if begun.elapsed() > CASE_LIMIT {
                bail!("the interop server does not listen");
            }
            // Another process cannot wake us; it is asked again.
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the cases have shown.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn through(proxy: &Proxy, client: &Path, folder: &Path) -> anyhow::Result<Vec<Case>> {
    let name = proxy.name;
    let mut cases = Vec::new();
    for way in ["h2c", "tls"] {
        let begun = Instant::now();
        let port = proxy.listeners[way].port().to_string();
        let mut passed = 0;
        for case in CASES {
            let mut command = Command::new(client);
            command.args(["--server_host", "127.0.0.1", "--server_port", &port]);
            command.args(["--test_case", case]);
            if way == "tls" {
                command.args(["--use_tls", "--use_test_ca", "--ca_file"]);
                command.arg(folder.join("ca.pem"));
                command.args(["--server_host_override", "localhost"]);
            }
            let log = folder.join(format!("{name}-{way}-{case}.log"));
            let differences = run_case(&mut command, &log)?;
            passed += usize::from(differences.is_empty());
            let name = format!("{name} {way} {case}");
            cases.push(Case { name, differences });
        }
        let (all, seconds) = (CASES.len(), begun.elapsed().as_secs_f64());
        println!("  {name} {way}: {passed} of {all} passed in {seconds:.0} s");
    }
    Ok(cases)
}

/// What the client says about a case that it did not pass.
fn run_case(command: &mut Command, log: &Path) -> anyhow::Result<Vec<String>> {
    let output = File::create(log)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let begun = Instant::now();
    let ended = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begun.elapsed() > CASE_LIMIT {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    };
    if ended.is_some_and(|status| status.success()) {
        return Ok(Vec::new());
    }
    let mut said: Vec<String> = match ended {
        Some(status) => vec![status.to_string()],
        None => vec![format!("not within {CASE_LIMIT:?}")],
    };
    let text = std::fs::read_to_string(log)?;
    said.extend(text.lines().rev().take(3).map(str::to_owned));
    Ok(said)
}

/// `h2c` leads to the server; `tls` leads over mutual TLS to `mtls`, which leads to the server.
fn bootstrap(folder: &Path, mtls: SocketAddr, server: SocketAddr) -> Value {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let file = |name: &str| json!({"filename": folder.join(name)});
    let own = json!([{"certificate_chain": file("cert.pem"), "private_key": file("key.pem")}]);
    let one_way = json!({"alpn_protocols": ["h2"], "tls_certificates": own});
    let mut mutual = one_way.clone();
    mutual["validation_context"] = json!({"trusted_ca": file("ca.pem")});
    let tls = json!({"common_tls_context": one_way});
    let server_side = json!({"require_client_certificate": true, "common_tls_context": mutual});
    let client_side = json!({"sni": "localhost", "common_tls_context": mutual});
    json!({"static_resources": {
        "listeners": [
            listener("h2c", any_port, "server", None),
            listener("tls", any_port, "other_side", Some(tls)),
            listener("mtls", mtls, "server", Some(server_side)),
        ],
        "clusters": [
            cluster("server", server, None),
            cluster("other_side", mtls, Some(client_side)),
        ],
    }})
}

fn listener(name: &str, at: SocketAddr, leads_to: &str, tls: Option<Value>) -> Value {
    let kind = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.\
                HttpConnectionManager";
    let router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    let action = json!({
        "cluster": leads_to,
        "timeout": "0s",
        "max_stream_duration": {"grpc_timeout_header_max": "0s"},
    });
    let manager = json!({"name": "hcm", "typed_config": {
        "@type": kind,
        "stat_prefix": name,
        "stream_idle_timeout": "0s",
        "http_filters": [{"name": "router", "typed_config": {"@type": router}}],
        "route_config": {"name": "r", "virtual_hosts": [{
            "name": "v",
            "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": action}],
        }]},
    }});
    let mut chain = json!({"filters": [manager]});
    if let Some(context) = tls {
        chain["transport_socket"] = transport("DownstreamTlsContext", context);
    }
    json!({"name": name, "address": address(at), "filter_chains": [chain]})
}

fn cluster(name: &str, at: SocketAddr, tls: Option<Value>) -> Value {
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let endpoint = json!({"endpoint": {"address": address(at)}});
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {options: {
            "@type": format!("type.googleapis.com/{options}"),
            "explicit_http_config": {"http2_protocol_options": {}},
        }},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    });
    if let Some(context) = tls {
        cluster["transport_socket"] = transport("UpstreamTlsContext", context);
    }
    cluster
}

fn transport(kind: &str, mut context: Value) -> Value {
    let package = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
    context["@type"] = json!(format!("{package}.{kind}"));
    json!({"name": "envoy.transport_sockets.tls", "typed_config": context})
}
