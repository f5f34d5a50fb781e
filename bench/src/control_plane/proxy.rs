//! One simulated sidecar: asks for what Envoy asks for, acknowledges everything, keeps nothing.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use prost::Message;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Endpoint;

/// What the proxies look for in the config that they get.
#[derive(Clone, Debug)]
pub(super) struct Marker {
    pub(super) since: Instant,
    pub(super) text: Bytes,
}

impl Default for Marker {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            text: Bytes::new(),
        }
    }
}

/// What all proxies count together.
#[derive(Default)]
pub(super) struct Shared {
    received: AtomicU64,
    ready: AtomicUsize,
    arrivals: Mutex<Vec<Duration>>,
}

impl Shared {
    pub(super) fn ready(&self) -> usize {
        self.ready.load(Ordering::Relaxed)
    }

    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn arrivals(&self) -> Vec<Duration> {
        self.arrivals.lock().expect("no holder panics").clone()
    }

    pub(super) fn forget_arrivals(&self) {
        self.arrivals.lock().expect("no holder panics").clear();
    }
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    cluster: String,
    #[prost(message, optional, tag = "3")]
    metadata: Option<Struct>,
}

/// The fields of `DeltaDiscoveryRequest` that are sent.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, optional, tag = "1")]
    node: Option<Node>,
    #[prost(string, tag = "2")]
    type_url: String,
    #[prost(string, repeated, tag = "3")]
    subscribe: Vec<String>,
    #[prost(string, tag = "6")]
    nonce: String,
}

/// The fields of `DeltaDiscoveryResponse` that are read; resources stay undecoded.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    resources: Vec<Bytes>,
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(string, tag = "5")]
    nonce: String,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, optional, tag = "2")]
    body: Option<Body>,
}

#[derive(Clone, PartialEq, Message)]
struct Body {
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// The fields of `Cluster` that decide what endpoints are asked for.
#[derive(Clone, PartialEq, Message)]
struct Cluster {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "2")]
    discovery: i32,
}

/// `Cluster.DiscoveryType.EDS`.
const EDS: i32 = 3;

const CLUSTERS: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const LISTENERS: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
const METHOD: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// Runs until the process ends; reconnects like an agent when the stream breaks.
pub(super) async fn run(
    address: &str,
    index: usize,
    namespaces: usize,
    shared: &Shared,
    marked: watch::Receiver<Marker>,
) {
    for _ in 0..60 {
        // A broken stream is part of the load; what matters is who got ready in the end.
        let _ = stream(address, index, namespaces, shared, marked.clone()).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn stream(
    address: &str,
    index: usize,
    namespaces: usize,
    shared: &Shared,
    marked: watch::Receiver<Marker>,
) -> Result<(), tonic::Status> {
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| tonic::Status::invalid_argument(error.to_string()))?
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .connect_lazy();
    let (requests, sent) = mpsc::channel(64);
    let node = Some(node(index, namespaces));
    let first = Request {
        node,
        type_url: CLUSTERS.to_owned(),
        ..Request::default()
    };
    let mut session = Session {
        requests,
        seen: Vec::new(),
        marked,
        found: Instant::now(),
    };
    session.send(first).await?;
    let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(usize::MAX);
    grpc.ready()
        .await
        .map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let path = http::uri::PathAndQuery::from_static(METHOD);
    let outgoing = tonic::Request::new(ReceiverStream::new(sent));
    let mut answers = grpc
        .streaming(outgoing, path, WireCodec)
        .await?
        .into_inner();
    while let Some(answer) = answers.next().await {
        session.answer(answer?, shared).await?;
    }
    Ok(())
}

struct Session {
    requests: mpsc::Sender<Request>,
    seen: Vec<String>,
    marked: watch::Receiver<Marker>,
    found: Instant,
}

impl Session {
    async fn send(&self, request: Request) -> Result<(), tonic::Status> {
        let closed = |_| tonic::Status::cancelled("the stream is closed");
        self.requests.send(request).await.map_err(closed)
    }

    async fn ask(&self, type_url: &str, subscribe: Vec<String>) -> Result<(), tonic::Status> {
        self.send(Request {
            type_url: type_url.to_owned(),
            subscribe,
            ..Request::default()
        })
        .await
    }

    async fn answer(&mut self, answer: Response, shared: &Shared) -> Result<(), tonic::Status> {
        let size: usize = answer.resources.iter().map(Bytes::len).sum();
        shared.received.fetch_add(size as u64, Ordering::Relaxed);
        let ack = Request {
            type_url: answer.type_url.clone(),
            nonce: answer.nonce.clone(),
            ..Request::default()
        };
        self.send(ack).await?;
        let first = !self.seen.contains(&answer.type_url);
        if first {
            match answer.type_url.as_str() {
                CLUSTERS => {
                    self.ask(ENDPOINTS, discovered(&answer)).await?;
                    self.ask(LISTENERS, Vec::new()).await?;
                }
                LISTENERS => self.ask(ROUTES, vec!["80".to_owned()]).await?,
                _ => {}
            }
            self.seen.push(answer.type_url.clone());
            if self.seen.len() == 4 {
                shared.ready.fetch_add(1, Ordering::Relaxed);
            }
        }
        let marker = self.marked.borrow().clone();
        if !marker.text.is_empty()
            && self.found != marker.since
            && answer
                .resources
                .iter()
                .any(|resource| contains(resource, &marker.text))
        {
            self.found = marker.since;
            let arrived = marker.since.elapsed();
            shared
                .arrivals
                .lock()
                .expect("no holder panics")
                .push(arrived);
        }
        Ok(())
    }
}

fn contains(bytes: &[u8], marker: &[u8]) -> bool {
    let first = marker[0];
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        if rest[at..].starts_with(marker) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// The clusters of an answer whose endpoints come over EDS.
fn discovered(answer: &Response) -> Vec<String> {
    let clusters = answer.resources.iter().filter_map(|resource| {
        let body = Resource::decode(resource.clone()).ok()?.body?;
        Cluster::decode(body.value).ok()
    });
    clusters
        .filter(|cluster| cluster.discovery == EDS)
        .map(|cluster| cluster.name)
        .collect()
}

fn node(index: usize, namespaces: usize) -> Node {
    let service = index / 2;
    let namespace = format!("ns{}", service % namespaces);
    let ip = format!(
        "10.{}.{}.{}",
        100 + index / 65_536,
        index / 256 % 256,
        index % 256
    );
    let text = |text: &str| Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    };
    let labels = HashMap::from([
        ("app".to_owned(), text(&format!("svc{service}"))),
        ("version".to_owned(), text("v1")),
    ]);
    let mut fields: HashMap<String, Value> = [
        ("NAMESPACE", namespace.as_str()),
        ("CLUSTER_ID", "Kubernetes"),
        ("SERVICE_ACCOUNT", "default"),
        ("INTERCEPTION_MODE", "REDIRECT"),
        ("MESH_ID", "cluster.local"),
        ("WORKLOAD_NAME", "load"),
    ]
    .map(|(key, value)| (key.to_owned(), text(value)))
    .into();
    let labels = Value {
        kind: Some(Kind::StructValue(Struct {
            fields: labels.into_iter().collect(),
        })),
    };
    fields.insert("LABELS".to_owned(), labels);
    Node {
        id: format!("sidecar~{ip}~load-{index}.{namespace}~{namespace}.svc.cluster.local"),
        cluster: format!("svc{service}.{namespace}"),
        metadata: Some(Struct {
            fields: fields.into_iter().collect(),
        }),
    }
}

/// Protobuf both ways, without copying what is received.
#[derive(Clone, Copy, Default)]
struct WireCodec;

impl Codec for WireCodec {
    type Encode = Request;
    type Decode = Response;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for WireCodec {
    type Item = Request;
    type Error = tonic::Status;

    fn encode(&mut self, item: Request, buffer: &mut EncodeBuf<'_>) -> Result<(), Self::Error> {
        item.encode(buffer)
            .map_err(|error| tonic::Status::internal(error.to_string()))
    }
}

impl Decoder for WireCodec {
    type Item = Response;
    type Error = tonic::Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Response>, Self::Error> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        Response::decode(bytes)
            .map(Some)
            .map_err(|error| tonic::Status::internal(error.to_string()))
    }
}
