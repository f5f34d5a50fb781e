//! The two ends of an exchange, and the proxy between them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ferromesh_proto::yaml::bootstrap_from_yaml;
use ferromesh_proto::{any, type_url};
use ferromesh_proxy::{Proxy, ProxyHandle};
use ferromesh_tls::Secret;
use ferromesh_xds::client::{NamedResource, TypeUpdate};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::running::{listening, settings};

/// An address where nobody listens: its port is held, so that nobody else can.
pub(crate) struct Nobody {
    pub(crate) address: SocketAddr,
    _held: TcpSocket,
}

impl Nobody {
    pub(crate) fn there() -> Self {
        let held = TcpSocket::new_v4().expect("a socket");
        held.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = held.local_addr().expect("bound");
        Self {
            address,
            _held: held,
        }
    }
}

/// A running proxy and where it listens.
pub(crate) struct Fixture {
    pub(crate) proxy: ProxyHandle,
    pub(crate) address: SocketAddr,
}

/// What a test says about its configuration.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    /// Fields of the route action besides the cluster, as YAML flow.
    pub(crate) route: &'static str,
    /// Fields of the route besides match and action, as YAML flow with a leading comma.
    pub(crate) around: &'static str,
    /// Fields of the virtual host, as YAML flow with a leading comma.
    pub(crate) host: &'static str,
    /// HTTP filters before the router, as YAML flow with a trailing comma.
    pub(crate) filters: &'static str,
    /// Fields of the connection manager, as YAML flow with a leading comma.
    pub(crate) manager: &'static str,
    /// Whether the endpoints speak HTTP/2.
    pub(crate) http2: bool,
    /// Endpoints.
    pub(crate) endpoints: Vec<SocketAddr>,
    /// Fields of the filter chain, as YAML flow with a trailing comma.
    pub(crate) chain: &'static str,
    /// Fields of the cluster, as YAML flow with a trailing comma.
    pub(crate) cluster: &'static str,
    /// Further clusters by name, each with one endpoint.
    pub(crate) others: Vec<(&'static str, SocketAddr)>,
    /// Secrets by name.
    pub(crate) secrets: Vec<(&'static str, Secret)>,
}

impl Setup {
    pub(crate) fn to(endpoint: SocketAddr) -> Self {
        Self {
            endpoints: vec![endpoint],
            ..Self::default()
        }
    }

    fn yaml(&self) -> String {
        let endpoints: Vec<String> = self
            .endpoints
            .iter()
            .map(|address| {
                let (ip, port) = (address.ip(), address.port());
                format!(
                    "{{endpoint: {{address: {{socket_address: {{address: {ip}, port_value: {port}}}}}}}}}"
                )
            })
            .collect();
        let options = if self.http2 {
            "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.\
             HttpProtocolOptions: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.\
             v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}, "
        } else {
            ""
        };
        let (route, manager) = (self.route, self.manager);
        let (chain, cluster) = (self.chain, self.cluster);
        let (around, host, filters) = (self.around, self.host, self.filters);
        format!(
            "static_resources:
  listeners:
  - name: web
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - {{{chain}filters: [{{name: hcm, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: web, http_filters: [{filters}{{name: router, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}], route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: backend{route}}}{around}}}]{host}}}]}}{manager}}}}}]}}
  clusters:
  - {{name: backend, type: STATIC, connect_timeout: 1s, {cluster}{options}load_assignment: {{cluster_name: backend, endpoints: [{{lb_endpoints: [{}]}}]}}}}
",
            endpoints.join(", ")
        ) + &self.others()
    }

    fn others(&self) -> String {
        let others = self.others.iter().map(|(name, address)| {
            let (ip, port) = (address.ip(), address.port());
            format!(
                "  - {{name: {name}, type: STATIC, load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: {ip}, port_value: {port}}}}}}}}}]}}]}}}}\n"
            )
        });
        others.collect()
    }

    /// The listener and the cluster as a control plane would send them.
    pub(crate) fn updates(&self, version: &str) -> [TypeUpdate; 2] {
        let bootstrap = bootstrap_from_yaml(&self.yaml()).expect("valid");
        let resources = bootstrap.static_resources.expect("there are some");
        let update = |type_url: &str, name: &str, body| TypeUpdate {
            type_url: type_url.to_owned(),
            version: version.to_owned(),
            nonce: version.to_owned(),
            resources: vec![NamedResource {
                name: name.to_owned(),
                version: version.to_owned(),
                body,
            }],
            removed: Vec::new(),
            full: false,
        };
        let cluster = any::pack(&resources.clusters[0]);
        let listener = any::pack(&resources.listeners[0]);
        [
            update(type_url::CLUSTER, "backend", cluster),
            update(type_url::LISTENER, "web", listener),
        ]
    }

    /// Starts a proxy that takes this configuration from a control plane.
    pub(crate) async fn start_dynamic(&self) -> Fixture {
        let proxy = Proxy::start(settings()).expect("started");
        for update in self.updates("1") {
            proxy.apply_update(&update);
        }
        let address = listening(&proxy, "web").await;
        Fixture { proxy, address }
    }

    /// Starts a proxy with this configuration.
    pub(crate) async fn start(&self) -> Fixture {
        let proxy = Proxy::start(settings()).expect("started");
        for (name, secret) in &self.secrets {
            proxy.secrets().set(name, secret.clone());
        }
        let bootstrap = bootstrap_from_yaml(&self.yaml()).expect("valid");
        proxy.apply_bootstrap(bootstrap).expect("supported");
        let address = listening(&proxy, "web").await;
        Fixture { proxy, address }
    }
}

/// An HTTP/1.1 endpoint that answers what `answer` says to each request, until it says nothing.
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) requests: Arc<AtomicUsize>,
}

/// A request as an endpoint saw it.
pub(crate) struct Seen {
    /// The head, lines joined by LF.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// How many requests the endpoint had seen before.
    pub(crate) number: usize,
}

impl Endpoint {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(AtomicUsize::new(0));
        let (open, count) = (Arc::clone(&connections), Arc::clone(&requests));
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                open.fetch_add(1, Ordering::SeqCst);
                let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Some(mut seen) = read_message(&mut stream).await {
                        seen.number = count.fetch_add(1, Ordering::SeqCst);
                        let bytes = answer(&seen);
                        if bytes.is_empty() || stream.write_all(&bytes).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self {
            address,
            connections,
            requests,
        }
    }

    pub(crate) async fn hello() -> Self {
        Self::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_vec()).await
    }
}

/// Reads one message with Content-Length, chunks or no body.
pub(crate) async fn read_message(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(line.trim_end());
        head.push('\n');
    }
    let mut body = Vec::new();
    if let Some(length) = field(&head, "content-length") {
        body.resize(length.parse().ok()?, 0);
        stream.read_exact(&mut body).await.ok()?;
    } else if field(&head, "transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let size = usize::from_str_radix(line.trim_end(), 16).ok()?;
            let start = body.len();
            body.resize(start + size + 2, 0);
            stream.read_exact(&mut body[start..]).await.ok()?;
            body.truncate(start + size);
            if size == 0 {
                break;
            }
        }
    }
    Some(Seen {
        head,
        body,
        number: 0,
    })
}

/// The value of a field in a head as `read_message` returns it.
pub(crate) fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

/// The value of a number of the cluster.
pub(crate) fn number(fixture: &Fixture, name: &str) -> u64 {
    let all = fixture.proxy.prometheus();
    let family = format!("envoy_cluster_{name}{{");
    let line = all
        .lines()
        .find(|line| line.starts_with(&family) && line.contains("cluster_name=\"backend\""));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// A client's connection.
pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(
            TcpStream::connect(address).await.expect("connected"),
        ))
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("sent");
    }

    pub(crate) async fn answer(&mut self) -> Seen {
        read_message(&mut self.0).await.expect("an answer")
    }

    /// Everything until the proxy closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
        String::from_utf8_lossy(&rest).into_owned()
    }
}
