//! Static bootstraps in Envoy's form: Envoy and our own proxy read the same file.

use std::fmt::Write as _;
use std::path::Path;

use super::case::Shape;
use super::setup::{Certificates, Upstream};

const TYPES: &str = "type.googleapis.com/envoy.extensions";

/// One process of a proxy.
pub struct Wanted<'a> {
    /// How it is set up.
    pub shape: Shape,
    /// Where it listens, on loopback.
    pub port: u16,
    /// Its admin interface, on loopback.
    pub admin: u16,
    /// The server behind.
    pub upstream: Upstream,
    /// For TLS.
    pub certificates: &'a Certificates,
    /// Which end of a pair; `None` for a single proxy.
    pub pair: Option<PairEnd>,
    /// For its access log.
    pub folder: &'a Path,
}

/// Which end of a pair of proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairEnd {
    /// Takes plain requests and speaks TLS to the server's end on this port.
    Client(u16),
    /// Takes TLS.
    Server,
}

/// The bootstrap.
pub fn bootstrap(wanted: &Wanted<'_>) -> String {
    let admin = socket(wanted.admin);
    let mut text = format!(
        "node: {{id: bench, cluster: bench}}\nadmin: {{address: {admin}}}\nstatic_resources:\n"
    );
    let listener = socket(wanted.port);
    let _ = write!(
        text,
        "  listeners:\n  - name: bench\n    address: {listener}\n    filter_chains:\n    - filters:\n"
    );
    if wanted.shape == Shape::Tcp {
        text.push_str(&tcp_proxy());
    } else {
        text.push_str(&http_manager(wanted));
    }
    text.push_str(&downstream_tls(wanted));
    text.push_str("  clusters:\n");
    let clusters = match wanted.shape {
        Shape::Clusters => 1000,
        _ => 1,
    };
    for index in 0..clusters {
        text.push_str(&cluster(wanted, index));
    }
    text
}

fn socket(port: u16) -> String {
    format!("{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}")
}

fn tcp_proxy() -> String {
    format!(
        "      - name: tcp\n        typed_config:\n          \"@type\": \
         {TYPES}.filters.network.tcp_proxy.v3.TcpProxy\n          stat_prefix: bench\n          \
         cluster: c0\n"
    )
}

fn http_manager(wanted: &Wanted<'_>) -> String {
    let codec = match wanted.shape {
        Shape::Http2 => "HTTP2",
        _ => "HTTP1",
    };
    let manager =
        format!("{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager");
    let router = format!("{TYPES}.filters.http.router.v3.Router");
    let mut routes = String::new();
    match wanted.shape {
        Shape::Routes => {
            for index in 0..100 {
                routes.push_str(&route(&format!("/r{index}/"), 0));
            }
        }
        Shape::Clusters => routes.push_str(&route("/", 500)),
        _ => routes.push_str(&route("/", 0)),
    }
    let log = match wanted.shape {
        Shape::Sidecar => {
            let path = wanted.folder.join(format!("access-{}.log", wanted.port));
            let path = path.display();
            format!(
                "          access_log:\n          - name: file\n            typed_config: \
                 {{\"@type\": {TYPES}.access_loggers.file.v3.FileAccessLog, path: \"{path}\"}}\n"
            )
        }
        _ => String::new(),
    };
    let access = match wanted.shape {
        Shape::Sidecar => access_control(),
        _ => String::new(),
    };
    format!(
        "      - name: http\n        typed_config:\n          \"@type\": {manager}\n          \
         stat_prefix: bench\n          codec_type: {codec}\n{log}          route_config:\n            \
         name: bench\n            virtual_hosts:\n            - name: all\n              \
         domains: [\"*\"]\n              routes:\n{routes}          http_filters:\n{access}          - \
         {{name: router, typed_config: {{\"@type\": {router}}}}}\n"
    )
}

/// Ten rules of access control, of which the last one allows the request.
fn access_control() -> String {
    let rbac = format!("{TYPES}.filters.http.rbac.v3.RBAC");
    let mut text = format!(
        "          - name: rbac\n            typed_config:\n              \"@type\": {rbac}\n              \
         rules:\n                action: ALLOW\n                policies:\n"
    );
    for index in 0..10 {
        let path = if index == 9 { "/" } else { "/closed/" };
        let method = "{header: {name: \":method\", string_match: {exact: GET}}}";
        let path = format!("{{url_path: {{path: {{prefix: {path}}}}}}}");
        let from = "{remote_ip: {address_prefix: 127.0.0.0, prefix_len: 8}}";
        let _ = writeln!(
            text,
            "                  rule-{index}: {{permissions: [{{and_rules: {{rules: [{method}, \
             {path}]}}}}], principals: [{from}]}}"
        );
    }
    text
}

fn route(prefix: &str, cluster: u32) -> String {
    format!("              - {{match: {{prefix: {prefix}}}, route: {{cluster: c{cluster}}}}}\n")
}

fn downstream_tls(wanted: &Wanted<'_>) -> String {
    let mutual = wanted.pair == Some(PairEnd::Server);
    if wanted.shape != Shape::Tls && !mutual {
        return String::new();
    }
    let common = common_tls(wanted.certificates, mutual);
    let require = if mutual {
        ", require_client_certificate: true"
    } else {
        ""
    };
    format!(
        "      transport_socket:\n        name: tls\n        typed_config: {{\"@type\": \
         {TYPES}.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: {common}{require}}}\n"
    )
}

fn common_tls(certificates: &Certificates, mutual: bool) -> String {
    let Certificates { chain, key, roots } = certificates;
    let (chain, key, roots) = (chain.display(), key.display(), roots.display());
    let validation = if mutual {
        format!(", validation_context: {{trusted_ca: {{filename: \"{roots}\"}}}}")
    } else {
        String::new()
    };
    format!(
        "{{tls_certificates: [{{certificate_chain: {{filename: \"{chain}\"}}, private_key: \
         {{filename: \"{key}\"}}}}]{validation}}}"
    )
}

fn cluster(wanted: &Wanted<'_>, index: u32) -> String {
    let port = match (wanted.pair, wanted.shape) {
        (Some(PairEnd::Client(port)), _) => port,
        (_, Shape::Http2) => wanted.upstream.http2,
        (_, Shape::Tcp) => wanted.upstream.bulk,
        _ => wanted.upstream.http1,
    };
    let limits = "max_connections: 100000, max_pending_requests: 100000, max_requests: 100000";
    let mut text = format!(
        "  - name: c{index}\n    type: STATIC\n    circuit_breakers: {{thresholds: [{{{limits}}}]}}\n    \
         load_assignment: {{cluster_name: c{index}, endpoints: [{{lb_endpoints: [{{endpoint: \
         {{address: {}}}}}]}}]}}\n",
        socket(port)
    );
    if wanted.shape == Shape::Http2 {
        let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        let _ = writeln!(
            text,
            "    typed_extension_protocol_options: {{{options}: {{\"@type\": \
             type.googleapis.com/{options}, explicit_http_config: {{http2_protocol_options: {{}}}}}}}}"
        );
    }
    if let Some(PairEnd::Client(_)) = wanted.pair {
        let common = common_tls(wanted.certificates, true);
        let _ = writeln!(
            text,
            "    transport_socket: {{name: tls, typed_config: {{\"@type\": \
             {TYPES}.transport_sockets.tls.v3.UpstreamTlsContext, sni: bench.example, \
             common_tls_context: {common}}}}}"
        );
    }
    text
}
