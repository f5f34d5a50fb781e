//! Opening ADS streams over byte streams that a connector brings.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::HeaderMap;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

use super::codec::ClientCodec;
use super::{MAX_RESPONSE_BYTES, path};
use crate::client::Reply;
use crate::{Request, Variant};

/// Istio's keepalive: a silent control plane is noticed after this and [`KEEPALIVE_TIMEOUT`].
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long a keepalive may stay unanswered.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Istio's agent gives a dial five seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The stream window; a first push is megabytes and should not wait for a round trip per 64 KiB.
const WINDOW: u32 = 1 << 20;

/// A byte stream in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// A byte stream of any kind.
pub type BoxedStream = Box<dyn ByteStream>;

/// Opens the byte stream to the control plane.
pub trait Connector: Send + Sync {
    /// Connects; each call opens another stream.
    fn connect(&self) -> BoxFuture<'static, io::Result<BoxedStream>>;
}

impl<F> Connector for F
where
    F: Fn() -> BoxFuture<'static, io::Result<BoxedStream>> + Send + Sync,
{
    fn connect(&self) -> BoxFuture<'static, io::Result<BoxedStream>> {
        self()
    }
}

/// Gives the headers of a call, such as `authorization`; called once per connection.
pub type CallMetadata = dyn Fn() -> io::Result<HeaderMap> + Send + Sync;

/// A gRPC channel over `connector`; it connects when first used, and not again: the driver builds a
/// new one for each try, so that all waiting is in one place.
///
/// # Errors
/// When `authority` is no host and port.
pub fn channel(authority: &str, connector: Arc<dyn Connector>) -> io::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{authority}")).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{authority:?} is no address; write HOST:PORT"),
        )
    })?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let dial = tower::service_fn(move |_| {
        let connecting = connector.connect();
        async move { connecting.await.map(TokioIo::new) }
    });
    Ok(endpoint.connect_with_connector_lazy(dial))
}

/// Sends requests on an open stream.
#[derive(Clone, Debug)]
pub struct RequestSender(mpsc::UnboundedSender<Request>);

impl RequestSender {
    /// Sends a request.
    ///
    /// # Errors
    /// When the stream has ended; its end says why.
    pub async fn send(&self, request: Request) -> Result<(), String> {
        self.0
            .send(request)
            .map_err(|_| "the stream to the control plane ended".to_owned())
    }
}

/// The replies of an open stream.
#[derive(Debug)]
pub struct ReplyStream(Streaming<Reply>);

impl ReplyStream {
    /// The next reply; `None` at the end.
    ///
    /// # Errors
    /// The status that the stream ended with.
    pub async fn next(&mut self) -> Result<Option<Reply>, Status> {
        self.0.message().await
    }
}

/// Opens an ADS stream. The requests in `first` are on their way before the answer's headers come:
/// some servers send headers only with the first response.
pub fn open(
    channel: Channel,
    variant: Variant,
    headers: HeaderMap,
    first: Vec<Request>,
) -> (
    RequestSender,
    impl Future<Output = Result<ReplyStream, Status>>,
) {
    // Unbounded, because the consumer that fills it is the one that reads the replies: a bound could
    // make both wait for each other. What is in it is limited by what the consumer subscribes to.
    let (sender, receiver) = mpsc::unbounded_channel();
    for request in first {
        // The receiver is alive: it is in the future below.
        let _ = sender.send(request);
    }
    let call = async move {
        let mut grpc =
            tonic::client::Grpc::new(channel).max_decoding_message_size(MAX_RESPONSE_BYTES);
        grpc.ready()
            .await
            .map_err(|error| Status::unavailable(chain(&error)))?;
        let mut request = tonic::Request::new(UnboundedReceiverStream::new(receiver));
        *request.metadata_mut() = MetadataMap::from_headers(headers);
        let method = match variant {
            Variant::Delta => path::ADS_DELTA,
            Variant::StateOfTheWorld => path::ADS_WORLD,
        };
        let response = grpc
            .streaming(
                request,
                http::uri::PathAndQuery::from_static(method),
                ClientCodec(variant),
            )
            .await?;
        Ok(ReplyStream(response.into_inner()))
    };
    (RequestSender(sender), call)
}

/// A status in words, with its causes.
pub fn describe(status: &Status) -> String {
    let cause = status.source().map(chain).unwrap_or_default();
    match (status.code(), status.message()) {
        (Code::Ok, _) => "the control plane ended the stream".to_owned(),
        (code, "") => format!("{code:?} {cause}").trim_end().to_owned(),
        (code, message) if cause.is_empty() || message.contains(&cause) => {
            format!("{code:?}: {message}")
        }
        (code, message) => format!("{code:?}: {message}: {cause}"),
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
