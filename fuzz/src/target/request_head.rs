//! Request heads of HTTP/1.

use bytes::BytesMut;
use ferromesh_http::http1::{self, IncomingRequest, Limits};
use ferromesh_http::{Framing, Method};

use super::head::{Outcome, body, check_written, fields, parse_in_pieces, roomier};
use crate::{Target, no_seeds};

pub(crate) const TARGET: Target = Target {
    name: "request_head",
    about: "pieces change nothing; what is written for a request is read as the same request",
    run,
    seeds: no_seeds,
    words: WORDS,
};

pub(super) const WORDS: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "GET ",
    "POST ",
    "CONNECT ",
    "OPTIONS ",
    "HEAD ",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    "Host: a\r\n",
    "Content-Length: ",
    "Transfer-Encoding: chunked\r\n",
    "Connection: ",
    "close",
    "keep-alive",
    "upgrade",
    "Upgrade: websocket\r\n",
    "Expect: 100-continue\r\n",
    "TE: trailers\r\n",
    "http://",
    "https://h",
    "*",
    "#",
    "?",
    "//",
    "\t",
    ": ",
    ",",
    "\0",
    "\u{7f}",
    "\u{fc}",
    "99999999999999999999",
    "Keep-Alive: 5\r\n",
    "Proxy-Connection: x\r\n",
    "HTTP2-Settings: x\r\n",
    "[::1]:80",
    "@",
];

#[derive(Debug, PartialEq)]
struct Shape {
    method: Method,
    authority: String,
    path: String,
    protocol: Option<String>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    framing: Framing,
}

fn run(bytes: &[u8]) {
    let limits = Limits::default();
    let parse = |buffer: &mut BytesMut, limits| {
        let request = http1::parse_request(buffer, limits)?;
        Ok(request.map(|request| (shape(&request), written(&request))))
    };
    let read = |buffer: &mut BytesMut| parse(buffer, &limits);
    let Outcome::Head { consumed, head } = parse_in_pieces(bytes, read) else {
        return;
    };
    assert!(consumed <= limits.bytes + 16, "{consumed} bytes of a head");
    let (shape, written) = head;
    check_written(&written);
    let again = parse(&mut BytesMut::from(written.as_slice()), &roomier(&limits));
    let again = again
        .expect("what was written is good")
        .expect("and complete");
    assert_eq!(again.0, shape, "read again");
    assert_eq!(again.1, written, "written again");
}

fn shape(request: &IncomingRequest) -> Shape {
    let head = &request.head;
    Shape {
        method: head.method.clone(),
        authority: head.authority().to_owned(),
        path: head.path().to_owned(),
        protocol: head.protocol().map(str::to_owned),
        fields: fields(&head.headers),
        framing: body(request.framing),
    }
}

fn written(request: &IncomingRequest) -> Vec<u8> {
    let mut out = BytesMut::new();
    http1::encode_request(&request.head, request.framing, &mut out);
    out.to_vec()
}
