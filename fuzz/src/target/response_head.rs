//! Response heads of HTTP/1. The first byte chooses the method of the request that is answered.

use bytes::BytesMut;
use ferromesh_http::http1::{self, IncomingResponse, Limits};
use ferromesh_http::{Framing, Method};

use super::head::{Outcome, check_written, fields, parse_in_pieces, roomier};
use crate::{Target, no_seeds};

pub(crate) const TARGET: Target = Target {
    name: "response_head",
    about: "pieces change nothing; what is written for a response is read as the same response",
    run,
    seeds: no_seeds,
    words: WORDS,
};

pub(super) const WORDS: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "HTTP/1.1 ",
    "HTTP/1.0 ",
    "200 OK",
    "204",
    "304",
    "101",
    "100",
    "199",
    "000",
    "999",
    "Content-Length: ",
    "Transfer-Encoding: chunked\r\n",
    "Connection: ",
    "close",
    "keep-alive",
    "upgrade",
    "Upgrade: x\r\n",
    "Trailer: a\r\n",
    "\t",
    ": ",
    ",",
    "\0",
    "\u{7f}",
    "\u{fc}",
    "18446744073709551616",
];

#[derive(Debug, PartialEq)]
struct Shape {
    status: u16,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    framing: Framing,
}

fn run(bytes: &[u8]) {
    let Some((method, bytes)) = bytes.split_first() else {
        return;
    };
    let method =
        [Method::GET, Method::HEAD, Method::CONNECT, Method::POST][usize::from(method % 4)].clone();
    let limits = Limits::default();
    let parse = |buffer: &mut BytesMut, limits| {
        let response = http1::parse_response(buffer, &method, limits)?;
        Ok(response.map(|response| (shape(&response), written(&response))))
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

fn shape(response: &IncomingResponse) -> Shape {
    Shape {
        status: response.head.status,
        fields: fields(&response.head.headers),
        framing: response.framing,
    }
}

fn written(response: &IncomingResponse) -> Vec<u8> {
    let mut out = BytesMut::new();
    http1::encode_response(&response.head, response.framing, false, &mut out);
    out.to_vec()
}
