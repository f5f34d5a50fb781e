//! Echoes each message of any gRPC method: a unary call gets its message back, a stream gets each
//! message back as it comes.

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use hyper::body::Frame;

use crate::server::{self, Answer, Call};

/// Settings of the echo.
#[derive(clap::Args)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:7070")]
    listen: String,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    server::serve(&settings.listen, answer).await
}

async fn answer(call: Call) -> Answer {
    let is_grpc = call
        .request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if !is_grpc {
        let message = "this server speaks gRPC\n";
        return server::reply(StatusCode::UNSUPPORTED_MEDIA_TYPE, "text/plain", message);
    }
    // A message's frame (flag, length, bytes) is echoed as it is, so frames need no parsing.
    let frames = BodyStream::new(call.request.into_body())
        .filter_map(|frame| async move { frame.ok()?.into_data().ok() })
        .map(|data: Bytes| Ok(Frame::data(data)));
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let end = futures_util::stream::once(async move { Ok(Frame::trailers(trailers)) });
    let mut response = Response::new(StreamBody::new(frames.chain(end)).boxed_unsync());
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    Answer::Reply(response)
}
