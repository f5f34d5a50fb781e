//! What a TCP proxy logs: response flags, bytes and reasons of connections that do not go well.

use serde_json::{Value, json};

use super::{http, operators, tls_cluster};
use crate::conformance::beside::{Act, Row, Way, row};

const PROXY: &str = "envoy.filters.listener.proxy_protocol";

const ORDERLY: &str = "what came before a reset is passed on, and the end is orderly";

/// Version 2 from 10.0.0.1:7 to 10.0.0.2:8, with entries of types 0xEA and 0xEB, and a request.
const NOTED: &str = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x18\x0a\0\0\x01\x0a\0\0\x02\0\x07\0\x08\
                     \x6a\0\x02hi\x6b\0\x04a\x01bcGET / HTTP/1.1\r\nhost: a\r\n\r\n";

pub fn rows() -> Vec<Row> {
    let mut rows = endpoints();
    rows.extend(limits());
    rows.extend(clients());
    rows
}

/// A row of a TCP proxy with these fields.
fn tcp(name: &'static str, fields: Value) -> Row {
    row(name).tcp(fields)
}

fn endpoints() -> Vec<Row> {
    let no_endpoint = json!({"load_assignment": {"endpoints": []}});
    vec![
        tcp("bytes both ways", json!({}))
            .log(operators(http::OPERATORS))
            .endpoint(vec![Act::Echo])
            .send("hello")
            .until("HELLO")
            .half_close()
            .shows("log[0].flags", "-")
            .shows("log[0].received", "5"),
        tcp("a connection that nobody takes", json!({}))
            .log(operators(http::OPERATORS))
            .refusing()
            .send("hello")
            .shows("log[0].flags", "UF,URX"),
        tcp("a connection that nobody takes, three times", json!({"max_connect_attempts": 3}))
            .refusing()
            .send("hello")
            .shows("log[0].attempts", "3"),
        tcp("a cluster without endpoints", json!({}))
            .cluster(no_endpoint)
            .send("hello")
            .shows("log[0].flags", "UH"),
        tcp("a cluster that does not exist", json!({"cluster": "nowhere"}))
            .send("hello")
            .shows("log[0].flags", "NC"),
        tcp("weighted clusters of which none exists", json!({
            "cluster": null,
            "weighted_clusters": {"clusters": [{"name": "nowhere", "weight": 1}]},
        }))
            .send("hello")
            .shows("log[0].flags", "NC"),
        tcp("no connection is let through", json!({}))
            .cluster(json!({"circuit_breakers": {"thresholds": [{"max_connections": 0}]}}))
            .send("")
            .shows("log[0].flags", "UO"),
        tcp("an endpoint that closes at once", json!({}))
            .endpoint(vec![Act::Close])
            .send("")
            .shows("log[0].sent", "0"),
        tcp("an endpoint that closes after its answer", json!({}))
            .endpoint(vec![Act::Await, Act::Send("bye"), Act::Close])
            .send("hello")
            .until("bye")
            .notes(&["client.end", "client.rest"], ORDERLY)
            .shows("log[0].sent", "3"),
        tcp("an endpoint that resets", json!({}))
            .endpoint(vec![Act::Await, Act::Send("bye"), Act::Pause(100), Act::Reset])
            .send("hello")
            .until("bye")
            .note("client.end", ORDERLY),
        tcp("an endpoint that never shakes hands", json!({}))
            .cluster(json!({
                "connect_timeout": "0.3s",
                "transport_socket": {"name": "tls", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.\
                              UpstreamTlsContext",
                }},
            }))
            .endpoint(vec![Act::Await])
            .send("hello")
            .shows("log[0].flags", "UF,URX"),
        tcp("TLS towards the endpoint of a TCP proxy", json!({}))
            .log(json!({"up_version": "%UPSTREAM_TLS_VERSION%", "up_name": "%UPSTREAM_SERVER_NAME%"}))
            .tls_endpoint()
            .cluster(tls_cluster())
            .send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .answers(1)
            .shows("log[0].up_version", "TLSv1.3"),
    ]
}

fn limits() -> Vec<Row> {
    vec![
        tcp("a connection that idles", json!({"idle_timeout": "0.3s"}))
            .endpoint(vec![Act::Await])
            .send("hello")
            .shows("client.end", "closed"),
        tcp(
            "a connection that lives too long",
            json!({"max_downstream_connection_duration": "0.3s"}),
        )
        .endpoint(vec![Act::Await])
        .send("hello")
        .shows("log[0].flags", "DT"),
    ]
}

/// A row whose listener notes entries of the header that its client sends.
fn noted(name: &'static str) -> Row {
    let note = |kind: u32, note: Value| json!({"tlv_type": kind, "on_tlv_present": note});
    row(name)
        .listener(
            json!({"listener_filters": [{"name": PROXY, "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.listener.\
                          proxy_protocol.v3.ProxyProtocol",
                "rules": [
                    note(0x6a, json!({"key": "text"})),
                    note(0x6b, json!({"key": "base64", "value_string_encoding": "BASE64"})),
                    note(0x6b, json!({"metadata_namespace": "own", "key": "text"})),
                    note(0x6c, json!({"key": "none"})),
                ],
            }}]}),
        )
        .log(json!({
            "noted": "%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol)%",
            "text": "%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol:text)%",
            "own": "%METADATA(DYNAMIC:own:text)%",
        }))
        .send(NOTED)
        .shows("log[0].client", "10.0.0.1")
}

fn clients() -> Vec<Row> {
    vec![
        tcp("a client that leaves", json!({}))
            .endpoint(vec![Act::Echo])
            .send("hello")
            .until("HELLO")
            .leave(),
        tcp("a client over TLS of a TCP proxy", json!({}))
            .way(Way::MutualTls)
            .log(json!({
                "version": "%DOWNSTREAM_TLS_VERSION%", "peer": "%DOWNSTREAM_PEER_URI_SAN%",
            }))
            .endpoint(vec![Act::Echo])
            .send("hello")
            .until("HELLO")
            .half_close()
            .shows("log[0].version", "TLSv1.3"),
        tcp("a client that a PROXY header names", json!({}))
            .listener(
                json!({"listener_filters": [{"name": PROXY, "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.listener.\
                              proxy_protocol.v3.ProxyProtocol",
                }}]}),
            )
            .endpoint(vec![Act::Echo])
            .send("PROXY TCP4 10.1.2.3 10.4.5.6 7 8\r\nhello")
            .until("HELLO")
            .half_close()
            .shows("log[0].client", "10.1.2.3"),
        noted("entries of a PROXY header that a TCP proxy notes")
            .tcp(json!({}))
            .endpoint(vec![Act::Echo])
            .until("HOST: A")
            .half_close()
            .shows("log[0].text", "hi"),
        noted("entries of a PROXY header that requests are not told")
            .answers(1)
            .shows("log[0].text", "null"),
    ]
}
