//! Lets gRPC-Web clients call gRPC endpoints: heads here, bodies and trailers in `grpc_web`.

use ferromesh_http::{Framing, ResponseHead};

use super::super::downstream::Downstream;
use super::super::exchange::Exchange;
use super::super::grpc_web::GrpcWeb;
use super::super::local_reply::is_grpc;
use super::super::upload::RequestBody;
use super::Memory;

const BINARY: &[&str] = &["application/grpc-web", "application/grpc-web+proto"];
const TEXT: &[&str] = &[
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

/// Turns a gRPC-Web request into one of gRPC.
pub(super) fn on_request(
    exchange: &mut Exchange<'_>,
    body: &mut RequestBody,
    downstream: &mut Downstream<'_>,
) {
    let headers = &mut exchange.head.headers;
    let kind = headers.text("content-type").unwrap_or_default();
    let text_request = TEXT.contains(&kind);
    if !text_request && !BINARY.contains(&kind) {
        return;
    }
    let text_answer = headers
        .text("accept")
        .is_some_and(|accepted| TEXT.contains(&accepted));
    // The length of the text is not that of what goes on.
    headers.remove("content-length");
    if !body.framing.is_empty() {
        body.framing = Framing::Chunked;
    }
    headers.set("content-type", "application/grpc");
    headers.set("te", "trailers");
    headers.set("grpc-accept-encoding", "identity,deflate,gzip");
    exchange.grpc = is_grpc(&exchange.head);
    exchange.filters.grpc_web = Some(text_answer);
    downstream.translate(GrpcWeb::new(text_request, text_answer));
}

/// Turns the head of a gRPC answer into one of gRPC-Web, whose body then follows suit.
pub(super) fn on_response(memory: &Memory, head: &mut ResponseHead) {
    let kind = head.headers.text("content-type").unwrap_or_default();
    // Other answers, as those of a proxy on the way, are no gRPC and stay what they are.
    let is_grpc = kind.starts_with("application/grpc");
    let Some(text_answer) = memory.grpc_web.filter(|_| is_grpc) else {
        return;
    };
    head.headers.remove("content-length");
    let kind = if text_answer {
        "application/grpc-web-text+proto"
    } else {
        "application/grpc-web+proto"
    };
    head.headers.set("content-type", kind);
}
