//! The messages of both variants as tonic sees them: one codec per side, told the variant.

use ferromesh_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::client::Reply;
use crate::{Request, Variant};

/// Requests out, replies in.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientCodec(pub(super) Variant);

/// Decodes requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestDecoder(pub(super) Variant);

#[derive(Clone, Copy, Debug)]
pub(super) struct RequestEncoder;

#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyDecoder(Variant);

impl Codec for ClientCodec {
    type Encode = Request;
    type Decode = Reply;
    type Encoder = RequestEncoder;
    type Decoder = ReplyDecoder;

    fn encoder(&mut self) -> RequestEncoder {
        RequestEncoder
    }

    fn decoder(&mut self) -> ReplyDecoder {
        ReplyDecoder(self.0)
    }
}

impl Encoder for RequestEncoder {
    type Item = Request;
    type Error = Status;

    fn encode(&mut self, request: Request, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let written = match request {
            Request::Delta(request) => request.encode(buffer),
            Request::StateOfTheWorld(request) => request.encode(buffer),
        };
        written.map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for ReplyDecoder {
    type Item = Reply;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Reply>, Status> {
        let reply = match self.0 {
            Variant::Delta => DeltaDiscoveryResponse::decode(buffer)
                .map(Box::new)
                .map(Reply::Delta),
            Variant::StateOfTheWorld => DiscoveryResponse::decode(buffer)
                .map(Box::new)
                .map(Reply::StateOfTheWorld),
        };
        reply.map(Some).map_err(|error| {
            Status::internal(format!("the control plane sent no xDS response: {error}"))
        })
    }
}

impl Decoder for RequestDecoder {
    type Item = Request;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Request>, Status> {
        let request = match self.0 {
            Variant::Delta => DeltaDiscoveryRequest::decode(buffer)
                .map(Box::new)
                .map(Request::Delta),
            Variant::StateOfTheWorld => DiscoveryRequest::decode(buffer)
                .map(Box::new)
                .map(Request::StateOfTheWorld),
        };
        request
            .map(Some)
            .map_err(|error| Status::invalid_argument(format!("not an xDS request: {error}")))
    }
}
