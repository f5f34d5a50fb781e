//! The body of a streaming response: pieces of encoded responses as HTTP/2 frames, then the status.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use hyper::body::{Body, Frame};
use prost::Message as _;
use tokio::sync::mpsc;
use tonic::Status;

use crate::client::Reply;
use crate::server::{Response, ResponseEncoder};

/// What a handler sends.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// A response of the server state machine; its bytes are shared.
    Response(Response),
    /// A response that came from elsewhere: a relay passes it on.
    Relayed(Reply),
    /// The end of the stream, with an error.
    Failed(Status),
}

/// Turns outgoing messages into frames, one piece at a time and only as fast as the peer reads.
#[derive(Debug)]
pub(super) struct ResponseBody {
    outgoing: mpsc::Receiver<Outgoing>,
    current: Option<ResponseEncoder>,
    ended: bool,
}

impl ResponseBody {
    pub(super) fn new(outgoing: mpsc::Receiver<Outgoing>) -> Self {
        Self {
            outgoing,
            current: None,
            ended: false,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            if let Some(piece) = self.current.as_mut().and_then(ResponseEncoder::next_piece) {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            self.current = None;
            match ready!(self.outgoing.poll_recv(context)) {
                Some(Outgoing::Response(response)) => {
                    self.current = Some(ResponseEncoder::new(response));
                }
                Some(Outgoing::Relayed(reply)) => {
                    return Poll::Ready(Some(Ok(Frame::data(framed(&reply)))));
                }
                Some(Outgoing::Failed(status)) => return self.end(&status),
                None => return self.end(&Status::ok("")),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

impl ResponseBody {
    fn end(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.ended = true;
        let mut trailers = HeaderMap::new();
        // A status whose text is no header value still ends the stream, just without the text.
        if status.add_header(&mut trailers).is_err() {
            trailers.insert("grpc-status", http::HeaderValue::from(status.code() as i32));
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

/// A whole message behind its gRPC header.
fn framed(reply: &Reply) -> Bytes {
    let length = match reply {
        Reply::Delta(reply) => reply.encoded_len(),
        Reply::StateOfTheWorld(reply) => reply.encoded_len(),
    };
    let mut buffer = BytesMut::with_capacity(length + 5);
    buffer.put_u8(0);
    buffer.put_u32(length as u32);
    match reply {
        Reply::Delta(reply) => reply.encode_raw(&mut buffer),
        Reply::StateOfTheWorld(reply) => reply.encode_raw(&mut buffer),
    }
    buffer.freeze()
}
