//! Bytes of requests over HTTP/2, on one side or both.
//!
//! Both proxies cannot count the same: a block of fields is compressed with a table that depends on
//! all that the connection has carried, the two keep different fields in it, and `h2` tells nobody how
//! long a block became. Ours counts it as literals. So both counts must lie between what the fields
//! take at least, a byte each, and at most; the count without compression must be the same.

use std::ops::RangeInclusive;

use serde_json::json;

use super::{TRAILING, counted, direct, trailing_cluster};
use crate::conformance::beside::{Act, Row, Way};

const COMPRESSED: &str =
    "the blocks of fields are compressed, and h2 does not tell how long they are";

pub fn rows() -> Vec<Row> {
    let mut rows = both_sides();
    rows.extend(one_side());
    rows
}

/// How many bytes a block of so many fields with so long names and values takes over HTTP/2: the
/// frame's header, and at least an index or at most a literal for each (RFC 7541 section 6).
fn block(plain: u64, fields: u64) -> RangeInclusive<u64> {
    9 + fields..=9 + plain + 3 * fields
}

/// The same with other frames. Envoy sends the end of a stream alone where the body came so.
fn and(block: RangeInclusive<u64>, more: u64) -> RangeInclusive<u64> {
    block.start() + more..=block.end() + more + 9
}

const POST: &str = "POST /path HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nx-one: 1\r\n\r\nabc";
const ANSWER: &str = "HTTP/1.1 200 OK\r\nx-answer: 1\r\n\r\nhello";

/// What the client's side shows of [`POST`] over HTTP/2: four pseudo-header fields, two others.
fn client_of_http2(row: Row) -> Row {
    row.way(Way::Http2)
        .send(POST)
        .answers(1)
        .within("log[0].down_in", and(block(64, 6), 12), COMPRESSED)
        .within("log[0].down_fields_in", block(64, 6), COMPRESSED)
        .shows("log[0].down_plain_in", "64")
}

/// What the endpoint's side shows of [`POST`] and [`ANSWER`] over HTTP/2: besides what came there are
/// `x-forwarded-proto` and `x-request-id`.
fn endpoint_of_http2(row: Row) -> Row {
    row.http2_endpoint(ANSWER)
        .within("log[0].up_out", and(block(133, 8), 12), COMPRESSED)
        .within("log[0].up_fields_out", block(133, 8), COMPRESSED)
        .within("log[0].up_in", and(block(34, 3), 14), COMPRESSED)
        .within("log[0].up_fields_in", block(34, 3), COMPRESSED)
        .shows("log[0].up_plain_out", "133")
        .shows("log[0].up_plain_in", "34")
}

fn both_sides() -> Vec<Row> {
    vec![
        counted("bytes of an answer of the proxy's own over HTTP/2")
            .way(Way::Http2)
            .action(direct("own"))
            .get("/", &[])
            // Four pseudo-header fields; `:status` and four fields, and a body of three bytes.
            .within("log[0].down_in", block(49, 4), COMPRESSED)
            .within("log[0].down_fields_in", block(49, 4), COMPRESSED)
            .within("log[0].down_out", and(block(91, 5), 12), COMPRESSED)
            .within("log[0].down_fields_out", block(91, 5), COMPRESSED)
            .shows("log[0].down_plain_in", "49")
            .shows("log[0].down_plain_out", "91"),
        client_of_http2(endpoint_of_http2(counted(
            "bytes of a request over HTTP/2 on both sides",
        )))
        .within("log[0].down_out", and(block(78, 5), 14), COMPRESSED)
        .within("log[0].down_fields_out", block(78, 5), COMPRESSED)
        .shows("log[0].down_plain_out", "78"),
        counted("bytes of two streams over HTTP/2")
            .way(Way::Http2)
            .action(json!({"direct_response": {"status": 204}}))
            .get("/", &[])
            .get("/", &[])
            .lines(2)
            .within("log[0].down_in", block(49, 4), COMPRESSED)
            .within("log[0].down_fields_in", block(49, 4), COMPRESSED)
            .within("log[0].down_out", and(block(54, 3), 0), COMPRESSED)
            .within("log[0].down_fields_out", block(54, 3), COMPRESSED)
            .within("log[1].down_in", block(49, 4), COMPRESSED)
            .within("log[1].down_fields_in", block(49, 4), COMPRESSED)
            .within("log[1].down_out", and(block(54, 3), 0), COMPRESSED)
            .within("log[1].down_fields_out", block(54, 3), COMPRESSED)
            .shows("log[0].down_plain_out", "54")
            .shows("log[1].down_plain_out", "54"),
    ]
}

fn one_side() -> Vec<Row> {
    vec![
        client_of_http2(counted(
            "bytes of a request over HTTP/2 to an endpoint of HTTP/1.1",
        ))
        .within("log[0].down_out", and(block(69, 4), 14), COMPRESSED)
        .within("log[0].down_fields_out", block(69, 4), COMPRESSED)
        .shows("log[0].down_plain_out", "69")
        .shows("log[0].up_in", "43"),
        endpoint_of_http2(counted(
            "bytes of a request over HTTP/1.1 to an endpoint of HTTP/2",
        ))
        .send(POST)
        .answers(1)
        .shows("log[0].down_in", "64"),
        counted("bytes of trailers over HTTP/2")
            .way(Way::Http2)
            .endpoint(vec![Act::Serve(TRAILING)])
            .cluster(trailing_cluster())
            .get("/", &[])
            .within("log[0].down_in", block(49, 4), COMPRESSED)
            .within("log[0].down_fields_in", block(49, 4), COMPRESSED)
            // `:status` and three fields, the body, and one trailer in a frame of its own.
            .within("log[0].down_out", and(block(74, 5), 14 + 9), COMPRESSED)
            .within("log[0].down_fields_out", and(block(74, 5), 9), COMPRESSED)
            .shows("log[0].down_plain_out", "74")
            .shows("log[0].up_fields_in", "53"),
    ]
}
