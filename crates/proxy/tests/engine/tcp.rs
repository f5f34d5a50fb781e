//! Connections that are relayed: half-close, PROXY protocol, slow sides, tries.

use std::net::SocketAddr;
use std::time::Duration;

use ferromesh_net::{ProxyHeader, ProxyVersion, parse_proxy_header, proxy_header};
use ferromesh_proxy::ProxyHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::running::{listening, started};

const READ_HEADER: &str = "listener_filters: [{name: p, typed_config: {\"@type\": \
    type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol, \
    disallowed_versions: [V1]}}], ";
const WRITE_HEADER: &str = "transport_socket: {name: p, typed_config: {\"@type\": \
    type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.\
    ProxyProtocolUpstreamTransport, config: {version: V1}, transport_socket: {name: \
    envoy.transport_sockets.raw_buffer}}}, ";

/// A proxy that relays to `endpoints`; the texts are fields of listener, filter and cluster.
pub(crate) async fn start(
    (listener, filter, cluster): (&str, &str, &str),
    endpoints: &[SocketAddr],
) -> (ProxyHandle, SocketAddr) {
    start_with((listener, "", filter, cluster), endpoints).await
}

/// A proxy that relays behind network filters, which are YAML flow with a trailing comma.
pub(crate) async fn start_behind(
    filters: &str,
    endpoints: &[SocketAddr],
) -> (ProxyHandle, SocketAddr) {
    start_with(("", filters, "", ""), endpoints).await
}

/// An endpoint that sends back what it hears.
pub(crate) async fn echo() -> SocketAddr {
    let (listener, address) = endpoint().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn start_with(
    (listener, filters, filter, cluster): (&str, &str, &str, &str),
    endpoints: &[SocketAddr],
) -> (ProxyHandle, SocketAddr) {
    let endpoints: Vec<String> = endpoints
        .iter()
        .map(|at| {
            let (ip, port) = (at.ip(), at.port());
            format!("{{endpoint: {{address: {{socket_address: {{address: {ip}, port_value: {port}}}}}}}}}")
        })
        .collect();
    let text = format!(
        "static_resources:
  listeners:
  - {{name: tcp, {listener}address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}, filter_chains: [{{filters: [{filters}{{name: t, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, {filter}cluster: backend}}}}]}}]}}
  clusters:
  - {{name: backend, type: STATIC, connect_timeout: 1s, {cluster}load_assignment: {{cluster_name: backend, endpoints: [{{lb_endpoints: [{}]}}]}}}}
",
        endpoints.join(", ")
    );
    let proxy = started(&text);
    let address = listening(&proxy, "tcp").await;
    (proxy, address)
}

/// A listening socket with its address.
pub(crate) async fn endpoint() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

#[tokio::test]
async fn either_side_may_end_its_sending_first() {
    let (endpoint, at) = endpoint().await;
    let (_proxy, address) = start(("", "", ""), &[at]).await;
    let ask = async {
        let mut client = TcpStream::connect(address).await.expect("connected");
        client.write_all(b"question").await.expect("sent");
        client.shutdown().await.expect("half-closed");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("text");
        answer
    };
    let answer = async {
        let (mut stream, _) = endpoint.accept().await.expect("the proxy");
        let mut question = String::new();
        stream.read_to_string(&mut question).await.expect("text");
        stream.write_all(question.to_uppercase().as_bytes()).await
    };
    let (heard, _) = tokio::join!(ask, answer);
    assert_eq!(heard, "QUESTION");

    let mut client = TcpStream::connect(address).await.expect("connected");
    let (mut stream, _) = endpoint.accept().await.expect("the proxy");
    // The server speaks first, and ends first.
    stream.write_all(b"hello").await.expect("sent");
    stream.shutdown().await.expect("half-closed");
    let mut greeting = String::new();
    client.read_to_string(&mut greeting).await.expect("text");
    assert_eq!(greeting, "hello");
    client.write_all(b"thanks").await.expect("sent");
    drop(client);
    let mut thanks = String::new();
    stream.read_to_string(&mut thanks).await.expect("text");
    assert_eq!(thanks, "thanks");
}

#[tokio::test]
async fn the_client_of_a_proxy_header_is_named_to_the_endpoint() {
    let (endpoint, at) = endpoint().await;
    let (_proxy, address) = start((READ_HEADER, "", WRITE_HEADER), &[at]).await;
    let client_address = SocketAddr::from(([192, 0, 2, 7], 4000));
    let destination = SocketAddr::from(([192, 0, 2, 8], 443));
    let mut client = TcpStream::connect(address).await.expect("connected");
    let mut bytes = proxy_header(ProxyVersion::V2, Some((client_address, destination)));
    bytes.extend(b"data");
    // In two parts, as a network may deliver them.
    client.write_all(&bytes[..10]).await.expect("sent");
    client.write_all(&bytes[10..]).await.expect("sent");
    client.shutdown().await.expect("half-closed");
    let (mut stream, _) = endpoint.accept().await.expect("the proxy");
    let mut seen = Vec::new();
    stream.read_to_end(&mut seen).await.expect("bytes");
    let ProxyHeader::Present {
        version,
        length,
        addresses,
    } = parse_proxy_header(&seen)
    else {
        panic!("a header: {seen:?}");
    };
    assert_eq!(version, ProxyVersion::V1);
    assert_eq!(addresses, Some((client_address, destination)));
    assert_eq!(&seen[length..], b"data");
}

#[tokio::test]
async fn a_missing_wrong_or_broken_proxy_header_is_refused() {
    let (endpoint, at) = endpoint().await;
    let (_proxy, address) = start((READ_HEADER, "", ""), &[at]).await;
    let half = proxy_header(ProxyVersion::V2, None);
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PROXY TCP4 192.0.2.7 192.0.2.8 4000 443\r\ndata",
        &half[..13],
    ] {
        let mut client = TcpStream::connect(address).await.expect("connected");
        client.write_all(bytes).await.expect("sent");
        client.shutdown().await.expect("half-closed");
        let mut rest = Vec::new();
        // Closed, in order or with a reset.
        let _ = client.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "{rest:?}");
    }
    let mut reached = std::pin::pin!(endpoint.accept());
    let now = futures_util::future::poll_immediate(reached.as_mut()).await;
    assert!(now.is_none(), "nothing reached the endpoint");
}

#[tokio::test]
async fn an_endpoint_that_refuses_is_followed_by_one_that_does_not() {
    let (gone, refusing) = endpoint().await;
    drop(gone);
    let (endpoint, at) = endpoint().await;
    let filter = "max_connect_attempts: 2, backoff_options: {base_interval: 0.001s}, ";
    let (_proxy, address) = start(("", filter, ""), &[refusing, at]).await;
    for _ in 0..4 {
        let client = TcpStream::connect(address).await.expect("connected");
        let (mut stream, _) = endpoint.accept().await.expect("the proxy");
        stream.write_all(b"here").await.expect("sent");
        drop(stream);
        let mut heard = String::new();
        let mut client = client;
        client.read_to_string(&mut heard).await.expect("text");
        assert_eq!(heard, "here");
    }
}

/// How many bytes `stream` takes until it takes no more for a while.
async fn pour(stream: &mut TcpStream) -> usize {
    let chunk = vec![b'x'; 64 * 1024];
    let mut poured = 0;
    while poured < 256 << 20 {
        let write = stream.write(&chunk);
        match tokio::time::timeout(Duration::from_millis(300), write).await {
            Ok(Ok(count)) => poured += count,
            _ => break,
        }
    }
    poured
}

#[tokio::test]
async fn a_side_that_does_not_read_holds_the_other_back() {
    let (endpoint, at) = endpoint().await;
    let (_proxy, address) = start(("", "", ""), &[at]).await;
    let mut client = TcpStream::connect(address).await.expect("connected");
    let (mut stream, _) = endpoint.accept().await.expect("the proxy");
    // What the kernel's buffers of four sockets may hold; the proxy itself adds 16 KiB.
    const MOST: usize = 64 << 20;
    let download = pour(&mut stream).await;
    assert!(download < MOST, "{download} bytes went towards the client");
    let upload = pour(&mut client).await;
    assert!(upload < MOST, "{upload} bytes went towards the endpoint");
    // And all of it arrives.
    drop(stream);
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
    assert!(!rest.is_empty());
}
