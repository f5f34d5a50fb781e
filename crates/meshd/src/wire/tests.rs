//! The whole process over real sockets: a proxy on the plaintext port, a workload on the TLS port.

use std::path::Path;
use std::sync::Arc;

use clap::Parser as _;
use ferromesh_ca::token::{AUDIENCE, TokenIssuer, TokenRequest};
use ferromesh_proto::envoy::config::core::v3::Node;
use ferromesh_proto::istio::auth::{IstioCertificateRequest, IstioCertificateResponse};
use ferromesh_proto::type_url;
use ferromesh_tls::TlsClient;
use ferromesh_xds::client::{AdsClient, AdsClientSettings, Command, Event, TypeUpdate};
use ferromesh_xds::transport::client::{BoxedStream, Connector};
use http::{HeaderMap, HeaderValue};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::settings::{Cli, Command as CliCommand};

const SERVICE: &str = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n\
    metadata: {name: a, namespace: shop}\nspec:\n  hosts: [a.shop.svc.cluster.local]\n  \
    location: MESH_INTERNAL\n  resolution: STATIC\n  \
    ports: [{number: 80, name: http, protocol: HTTP}]\n  endpoints: [{address: 10.1.0.1}]\n";

/// A running control plane.
struct Running {
    addresses: Addresses,
    state: tempfile::TempDir,
    config: tempfile::TempDir,
    issuer: TokenIssuer,
    stop: Option<oneshot::Sender<()>>,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// The roots, once they are there: the task that is starting writes them before it serves.
    async fn roots(&self) -> String {
        loop {
            match std::fs::read_to_string(self.state.path().join("ca/root-cert.pem")) {
                Ok(roots) => return roots,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }
}

async fn start() -> Running {
    let (state, config) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    write(config.path(), "service.yaml", SERVICE);
    let issuer = TokenIssuer::generate().expect("a key");
    write(state.path(), "token.pem", &issuer.public_key_pem());
    let text = |path: &Path| path.display().to_string();
    let cli = Cli::parse_from([
        "meshd",
        "discovery",
        "--config-dir",
        &text(config.path()),
        "--state-dir",
        &text(state.path()),
        "--token-public-key",
        &text(&state.path().join("token.pem")),
        "--listen-address",
        "127.0.0.1",
        "--plaintext-port",
        "0",
        "--tls-port",
        "0",
        "--monitoring-port",
        "0",
        "--debug-port",
        "0",
    ]);
    let CliCommand::Discovery(flags) = cli.command else {
        panic!("discovery was asked for");
    };
    let settings = Settings::new(*flags, &|_| None).expect("settings");
    let ports = Ports::open(&settings.addresses).await.expect("open ports");
    let addresses = Addresses {
        plaintext: ports.plaintext.local_addr().expect("an address"),
        tls: ports.tls.local_addr().expect("an address"),
        monitoring: ports.monitoring.local_addr().expect("an address"),
        debug: ports.debug.local_addr().expect("an address"),
    };
    let (stop, stopped) = oneshot::channel();
    let stopped = async move {
        // A dropped sender stops as well.
        let _ = stopped.await;
        Ok(())
    };
    let ended = tokio::spawn(Box::pin(run(settings, ports, stopped)));
    Running {
        addresses,
        state,
        config,
        issuer,
        stop: Some(stop),
        ended,
    }
}

fn write(directory: &Path, name: &str, text: &str) {
    let temporary = directory.join(format!("{name}.tmp"));
    std::fs::write(&temporary, text).expect("written");
    std::fs::rename(&temporary, directory.join(name)).expect("renamed");
}

fn token(issuer: &TokenIssuer, namespace: &str) -> HeaderMap {
    let request = TokenRequest {
        namespace,
        service_account: "web",
        pod: None,
        audiences: &[AUDIENCE],
        lifetime: std::time::Duration::from_hours(1),
    };
    let token = issuer
        .issue(&request, time::OffsetDateTime::now_utc())
        .expect("signed");
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header");
    headers.insert("authorization", value);
    headers
}

/// A client of the control plane and its events.
struct Client {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Event>,
}

fn client(connector: Arc<dyn Connector>, headers: HeaderMap) -> Client {
    let node = Node {
        id: "sidecar~10.9.0.1~web-1.shop~shop.svc.cluster.local".into(),
        ..Node::default()
    };
    let mut settings = AdsClientSettings::new(node, "istiod.istio-system.svc:15012");
    settings.backoff_base = std::time::Duration::from_millis(5);
    let client = AdsClient::new(settings, connector, Arc::new(move || Ok(headers.clone())));
    let (commands, receiver) = mpsc::channel(8);
    let (sender, events) = mpsc::channel(8);
    tokio::spawn(client.run(receiver, sender));
    Client { commands, events }
}

impl Client {
    async fn say(&self, command: Command) {
        self.commands.send(command).await.expect("the client runs");
    }

    /// The next update, acknowledged. Refused streams before the control plane is ready are
    /// passed over.
    async fn update(&mut self) -> TypeUpdate {
        loop {
            match self.events.recv().await.expect("the client runs") {
                Event::Update(update) => {
                    self.say(Command::Ack {
                        type_url: update.type_url.clone(),
                        nonce: update.nonce.clone(),
                    })
                    .await;
                    return update;
                }
                Event::Connected => {}
                Event::Disconnected { reason } => {
                    assert!(reason.contains("not read yet"), "{reason}");
                }
            }
        }
    }
}

fn plaintext(address: SocketAddr) -> Arc<dyn Connector> {
    Arc::new(move || {
        let connecting = async move {
            let stream = TcpStream::connect(address).await?;
            Ok(Box::new(stream) as BoxedStream)
        };
        Box::pin(connecting) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    })
}

fn tls(address: SocketAddr, roots: &str) -> Arc<dyn Connector> {
    let name = "istiod.istio-system.svc";
    let client = TlsClient::from_pem(roots.as_bytes(), None, &["h2"]);
    let client = Arc::new(client.expect("a client"));
    Arc::new(move || {
        let client = Arc::clone(&client);
        let connecting = async move {
            let stream = TcpStream::connect(address).await?;
            let stream = client
                .connect(stream, Some(name), None)
                .await
                .map_err(std::io::Error::other)?;
            Ok(Box::new(stream) as BoxedStream)
        };
        Box::pin(connecting) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    })
}

fn names(update: &TypeUpdate) -> Vec<&str> {
    let names = update.resources.iter().map(|r| r.name.as_str());
    names.filter(|name| name.starts_with("outbound")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_reaches_a_connected_proxy_and_a_stop_ends_cleanly() {
    let mut running = start().await;
    let connector = plaintext(running.addresses.plaintext);
    let mut client = client(connector, HeaderMap::new());
    client
        .say(Command::Wildcard(type_url::CLUSTER.into()))
        .await;
    let first = client.update().await;
    assert_eq!(names(&first), ["outbound|80||a.shop.svc.cluster.local"]);
    let second = SERVICE
        .replace("a.shop", "b.shop")
        .replace("name: a,", "name: b,");
    write(running.config.path(), "second.yaml", &second);
    let update = client.update().await;
    assert_eq!(names(&update), ["outbound|80||b.shop.svc.cluster.local"]);
    std::fs::remove_file(running.config.path().join("second.yaml")).expect("removed");
    let update = client.update().await;
    assert_eq!(update.removed, ["outbound|80||b.shop.svc.cluster.local"]);
    running
        .stop
        .take()
        .expect("running")
        .send(())
        .expect("running");
    running.ended.await.expect("no panic").expect("no error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_sent_anew_is_followed_by_its_endpoints() {
    const CLUSTER: &str = "outbound|80||a.shop.svc.cluster.local";
    let running = start().await;
    let connector = plaintext(running.addresses.plaintext);
    let mut client = client(connector, HeaderMap::new());
    client
        .say(Command::Wildcard(type_url::CLUSTER.into()))
        .await;
    client.update().await;
    client
        .say(Command::Subscribe {
            type_url: type_url::ENDPOINT.into(),
            add: vec![CLUSTER.into()],
            remove: Vec::new(),
        })
        .await;
    let endpoints = client.update().await;
    assert_eq!(endpoints.type_url, type_url::ENDPOINT);
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
        metadata: {name: a, namespace: shop}\nspec:\n  host: a.shop.svc.cluster.local\n  \
        trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}\n";
    write(running.config.path(), "rule.yaml", rule);
    let clusters = client.update().await;
    assert_eq!(names(&clusters), [CLUSTER]);
    let again = client.update().await;
    assert_eq!(again.type_url, type_url::ENDPOINT);
    assert_eq!(names(&again), [CLUSTER]);
    assert_eq!(again.resources, endpoints.resources);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_buys_a_certificate_for_its_own_account_only() {
    let running = start().await;
    let roots = running.roots().await;
    let key = rcgen::KeyPair::generate().expect("a key");
    let csr = rcgen::CertificateParams::default()
        .serialize_request(&key)
        .and_then(|request| request.pem())
        .expect("a request");
    let connector = tls(running.addresses.tls, &roots);
    let call = async |headers: HeaderMap, seconds: i64| {
        let channel = ferromesh_xds::transport::client::channel(
            "istiod.istio-system.svc:15012",
            Arc::clone(&connector),
        );
        let mut grpc = tonic::client::Grpc::new(channel.expect("a channel"));
        grpc.ready().await.expect("connected");
        let mut request = tonic::Request::new(IstioCertificateRequest {
            csr: csr.clone(),
            validity_duration: seconds,
            metadata: None,
        });
        *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
        let codec =
            tonic_prost::ProstCodec::<IstioCertificateRequest, IstioCertificateResponse>::default();
        let path = http::uri::PathAndQuery::from_static(CREATE_CERTIFICATE);
        let answer = grpc.unary(request, path, codec).await;
        answer.map(tonic::Response::into_inner)
    };
    let good = token(&running.issuer, "shop");
    let chain = call(good.clone(), 0).await.expect("issued").cert_chain;
    assert_eq!(chain.len(), 2);
    assert_eq!(chain[1], roots);
    let leaf =
        ferromesh_tls::Identity::from_pem(chain[0].as_bytes(), key.serialize_pem().as_bytes());
    let leaf = leaf.expect("key and certificate belong together");
    let peer = ferromesh_tls::PeerCertificate::from_chain(leaf.chain()).expect("readable");
    let id = peer.spiffe_id().map(Str::as_str);
    assert_eq!(id, Some("spiffe://cluster.local/ns/shop/sa/web"));

    let refused = call(HeaderMap::new(), 0).await.expect_err("refused");
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    let refused = call(good, i64::from(u32::MAX)).await.expect_err("refused");
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tls_port_wants_a_token_of_the_proxys_own_account() {
    let running = start().await;
    let roots = running.roots().await;
    let connector = tls(running.addresses.tls, &roots);
    let good = token(&running.issuer, "shop");
    let mut trusted = client(Arc::clone(&connector), good);
    trusted
        .say(Command::Wildcard(type_url::LISTENER.into()))
        .await;
    let update = trusted.update().await;
    assert!(update.resources.iter().any(|r| r.name == "virtualInbound"));

    for (headers, expected) in [
        (HeaderMap::new(), "no token"),
        (token(&running.issuer, "bank"), "another namespace"),
    ] {
        let mut refused = client(Arc::clone(&connector), headers);
        refused
            .say(Command::Wildcard(type_url::LISTENER.into()))
            .await;
        let reason = loop {
            match refused.events.recv().await.expect("the client runs") {
                Event::Disconnected { reason } => break reason,
                Event::Connected => {}
                Event::Update(update) => panic!("refused, and yet {update:?}"),
            }
        };
        assert!(reason.contains(expected), "{reason}");
    }
}
