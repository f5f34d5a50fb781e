//! Operators that count bytes on the wire. Over HTTP/1.1 and TCP both proxies must count the same; what
//! they count over HTTP/2 is in `http2`.

mod http2;

use serde_json::{Value, json};

use super::operators;
use crate::conformance::beside::{Act, Row, row};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                       5\r\nhello\r\n0\r\n\r\n";
const TRAILING: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n\
                        5\r\nhello\r\n0\r\nx-end: yes\r\n\r\n";
const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

/// Each operator under its own key.
const OPERATORS: &[(&str, &str)] = &[
    ("down_in", "%DOWNSTREAM_WIRE_BYTES_RECEIVED%"),
    ("down_out", "%DOWNSTREAM_WIRE_BYTES_SENT%"),
    ("up_in", "%UPSTREAM_WIRE_BYTES_RECEIVED%"),
    ("up_out", "%UPSTREAM_WIRE_BYTES_SENT%"),
    ("down_fields_in", "%DOWNSTREAM_HEADER_BYTES_RECEIVED%"),
    ("down_fields_out", "%DOWNSTREAM_HEADER_BYTES_SENT%"),
    ("up_fields_in", "%UPSTREAM_HEADER_BYTES_RECEIVED%"),
    ("up_fields_out", "%UPSTREAM_HEADER_BYTES_SENT%"),
    (
        "down_plain_in",
        "%DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED%",
    ),
    (
        "down_plain_out",
        "%DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT%",
    ),
    (
        "up_plain_in",
        "%UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED%",
    ),
    ("up_plain_out", "%UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT%"),
];

/// A row of requests whose answers do not tell how long the endpoint took: that has one digit or two.
fn counted(name: &'static str) -> Row {
    row(name).log(operators(OPERATORS)).manager(manager())
}

fn manager() -> Value {
    json!({"http_filters": [{"name": "router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": true,
    }}]})
}

/// A cluster whose answers may have trailers.
fn trailing_cluster() -> Value {
    json!({"typed_extension_protocol_options": {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.\
                      HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {"enable_trailers": true}},
        },
    }})
}

pub fn rows() -> Vec<Row> {
    let mut rows = requests();
    rows.extend(bodies());
    rows.extend(own_answers());
    rows.extend(tries());
    rows.extend(http2::rows());
    rows.extend(tcp());
    rows
}

fn requests() -> Vec<Row> {
    vec![
        counted("bytes of a request over HTTP/1.1")
            .get("/a", &["x-one: 1"])
            .shows("log[0].down_in", "49")
            .shows("log[0].up_in", "43"),
        counted("bytes of fields with more space than they need")
            .get("/a", &["X-One:   1  ", "x-two:2", "x-none:"])
            .shows("log[0].down_in", "71"),
        counted("bytes of an answer to HEAD")
            .endpoint(vec![Act::Serve(
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
            )])
            .send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n")
            .answers(1)
            .shows("log[0].up_in", "38"),
        counted("bytes of two requests on a connection")
            .get("/first", &[])
            .get("/", &["x-second: yes"])
            .lines(2)
            .shows("log[0].down_in", "43")
            .shows("log[1].down_in", "53"),
        counted("bytes of two requests at once")
            .send("GET /one HTTP/1.1\r\nhost: a\r\n\r\nGET /second HTTP/1.1\r\nhost: a\r\n\r\n")
            .answers(2)
            .lines(2)
            .note(
                "log[0].down_in",
                "Envoy counts the second request for the first as well, since it came with it",
            )
            .shows("log[0].down_in", "30")
            .shows("log[1].down_in", "33"),
        counted("bytes of an upgrade")
            .manager(json!({"upgrade_configs": [{"upgrade_type": "websocket"}]}))
            .endpoint(vec![
                Act::Read,
                Act::Send(
                    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
                     connection: Upgrade\r\n\r\n",
                ),
                Act::Echo,
            ])
            .send("GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n")
            .until("101")
            .send("hello")
            .until("HELLO")
            .leave()
            .shows("log[0].down_in", "73")
            .shows("log[0].up_in", "82"),
    ]
}

fn bodies() -> Vec<Row> {
    let mut trailers = manager();
    trailers["http_protocol_options"] = json!({"enable_trailers": true});
    vec![
        counted("bytes of bodies with a length")
            .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc")
            .answers(1)
            .shows("log[0].down_in", "50"),
        counted("bytes of bodies in chunks")
            .endpoint(vec![Act::Serve(CHUNKED)])
            .send(
                "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
                 3\r\nabc\r\n0\r\n\r\n",
            )
            .answers(1)
            .shows("log[0].down_in", "69"),
        counted("bytes of trailers")
            .manager(trailers)
            .cluster(trailing_cluster())
            .endpoint(vec![Act::Serve(TRAILING)])
            .send(
                "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nte: trailers\r\n\r\n\
                 3\r\nabc\r\n0\r\nx-begin: no\r\n\r\n",
            )
            .answers(1)
            .shows("log[0].down_fields_in", "60"),
        counted("bytes of an interim answer")
            .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
            .until("100")
            .send("abc")
            .answers(1)
            .shows("log[0].down_out", "120"),
    ]
}

/// The action of an answer with this body.
fn direct(body: &str) -> Value {
    json!({"direct_response": {"status": 200, "body": {"inline_string": body}}})
}

fn own_answers() -> Vec<Row> {
    vec![
        counted("bytes of an answer of the proxy's own")
            .action(direct("own"))
            .get("/", &[])
            .shows("log[0].up_out", "0"),
        counted("bytes of a request whose body nobody takes")
            .action(direct(""))
            .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc")
            .answers(1)
            .shows("log[0].down_in", "50"),
        counted("bytes of a request that is malformed")
            .send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
            .answers(1)
            .shows("log[0].down_in", "46"),
        counted("bytes of what is no request")
            .get("/first", &[])
            .send("GET / HTTP/1.1\r\nHost a\r\n\r\n")
            .answers(1)
            .lines(2)
            .shows("log[1].down_in", "26"),
        counted("bytes of a head that does not come to its end")
            .manager(json!({"request_headers_timeout": "0.2s"}))
            .send("GET / HTTP/1.1\r\nHost: a")
            .answers(1)
            .shows("log[0].code", "408"),
    ]
}

fn tries() -> Vec<Row> {
    const AGAIN: &str = "Envoy counts the fields of earlier answers more than once here";
    let again = json!({"route": {"retry_policy": {"retry_on": "5xx", "num_retries": 2}}});
    vec![
        counted("bytes of a request that is tried again")
            .action(again.clone())
            .endpoints(vec![
                vec![Act::Read, Act::Send(BUSY), Act::Close],
                vec![Act::Serve(HELLO)],
            ])
            .get("/", &[])
            .note("log[0].up_plain_in", AGAIN)
            .shows("log[0].up_in", "102"),
        counted("bytes of a request that is tried twice again")
            .action(again.clone())
            .endpoints(vec![
                vec![Act::Read, Act::Send(BUSY), Act::Close],
                vec![Act::Read, Act::Close],
                vec![Act::Serve(HELLO)],
            ])
            .get("/", &[])
            .note("log[0].up_plain_in", AGAIN)
            .shows("log[0].up_in", "102"),
        counted("bytes of a request that nobody takes")
            .action(again)
            .refusing()
            .get("/", &[])
            .shows("log[0].up_out", "0"),
        counted("bytes of a request whose endpoint closes")
            .endpoint(vec![Act::Read, Act::Close])
            .get("/", &[])
            .shows("log[0].up_in", "0"),
    ]
}

fn tcp() -> Vec<Row> {
    const TWICE: &str = "Envoy counts the bytes in a tunnel twice, as those of the TCP proxy and as \
                         those of the codec";
    const NO_FIELD: &str = "Envoy counts a colon and a line end where a head has no field";
    let tcp = |name, fields: Value| row(name).tcp(fields).log(operators(OPERATORS));
    vec![
        tcp("bytes of a TCP proxy", json!({}))
            .endpoint(vec![Act::Echo])
            .send("hello")
            .until("HELLO")
            .half_close()
            .shows("log[0].down_in", "5")
            .shows("log[0].up_out", "5"),
        tcp("bytes of a TCP proxy that nobody takes", json!({}))
            .refusing()
            .send("hello")
            .shows("log[0].up_out", "0"),
        tcp(
            "bytes of a TCP proxy through a tunnel",
            json!({"tunneling_config": {"hostname": "inner.example:80"}}),
        )
        .endpoint(vec![
            Act::Read,
            Act::Send("HTTP/1.1 200 OK\r\n\r\n"),
            Act::Echo,
        ])
        .send("hello")
        .until("HELLO")
        .half_close()
        .notes(&["log[0].up_in", "log[0].up_out"], TWICE)
        .notes(&["log[0].up_fields_in", "log[0].up_plain_in"], NO_FIELD)
        .shows("log[0].up_in", "24")
        .shows("log[0].up_out", "66"),
    ]
}
