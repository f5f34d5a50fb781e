//! In which case names of fields are written, and whether the endpoint's words for its status pass.

use serde_json::{Value, json};

use crate::conformance::beside::{Act, Row, Way, row};

const ANSWER: &str = "HTTP/1.1 200 Quite Fine\r\nX-my-ANSWER: 1\r\ncontent-Length: 5\r\n\r\nhello";
const TRAILING: &str = "HTTP/1.1 200 Fine\r\nTransfer-encoding: chunked\r\nTRAILER: x-End\r\n\r\n\
                        5\r\nhello\r\n0\r\nx-End: yes\r\n\r\n";
const UPGRADED: &str =
    "HTTP/1.1 101 Come Over\r\nUPGRADE: websocket\r\nconnection: Upgrade\r\n\r\n";

/// Options of HTTP/1.1 by which names are kept, with these settings.
fn kept(settings: &Value) -> Value {
    let mut config = json!({
        "@type": "type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.\
                  PreserveCaseFormatterConfig",
    });
    if let (Value::Object(config), Value::Object(settings)) = (&mut config, settings) {
        config.extend(settings.clone());
    }
    json!({"header_key_format": {
        "stateful_formatter": {"name": "preserve_case", "typed_config": config},
    }})
}

/// A row whose client's names are kept by these settings, and the endpoint's by others.
fn keeping(name: &'static str, manager: &Value, cluster: &Value) -> Row {
    row(name)
        .manager(json!({"http_protocol_options": kept(manager)}))
        .cluster(json!({"typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.\
                          HttpProtocolOptions",
                "explicit_http_config": {"http_protocol_options": kept(cluster)},
            },
        }}))
        .endpoint(vec![Act::Serve(ANSWER)])
}

pub fn rows() -> Vec<Row> {
    let mut rows = names();
    rows.extend(reasons());
    rows
}

fn names() -> Vec<Row> {
    let none = json!({});
    let default = json!({"formatter_type_on_envoy_headers": "DEFAULT"});
    let proper = json!({"formatter_type_on_envoy_headers": "PROPER_CASE"});
    let lines = &["x-My-fiEld: 1", "USER-agent: me"];
    vec![
        keeping("names of our own where others are kept", &none, &none)
            .get("/", lines)
            .shows("upstream[0].x-forwarded-proto", "http")
            .shows("client[0].server", "envoy"),
        keeping(
            "names of our own where others are kept, in so many words",
            &default,
            &default,
        )
        .get("/", lines)
        .shows("upstream[0].x-My-fiEld", "1")
        .shows("client[0].server", "envoy"),
        keeping(
            "names of our own with capitals where others are kept",
            &proper,
            &proper,
        )
        .get("/", lines)
        .shows("upstream[0].x-My-fiEld", "1")
        .shows("upstream[0].X-Forwarded-Proto", "http")
        .shows("client[0].X-my-ANSWER", "1")
        .shows("client[0].Server", "envoy"),
        keeping(
            "names of our own with capitals towards the endpoint",
            &proper,
            &none,
        )
        .get("/", lines)
        .shows("upstream[0].X-Forwarded-Proto", "http")
        .shows("client[0].server", "envoy"),
        keeping(
            "names of our own with capitals towards the client",
            &none,
            &proper,
        )
        .get("/", lines)
        .shows("upstream[0].x-forwarded-proto", "http")
        .shows("client[0].Server", "envoy"),
        keeping(
            "names of our own with capitals, of a body in chunks",
            &proper,
            &proper,
        )
        .endpoint(vec![Act::Serve(TRAILING)])
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\ntransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        )
        .answers(1)
        .shows("upstream[0].body", "abc"),
        keeping(
            "names of an answer of the proxy's own, where others have capitals",
            &proper,
            &proper,
        )
        .action(json!({"direct_response": {"status": 200, "body": {"inline_string": "own"}}}))
        .get("/", lines)
        .shows("client[0].body", "own"),
        keeping(
            "names of an answer for an endpoint that is not there",
            &proper,
            &proper,
        )
        .refusing()
        .get("/", lines)
        .shows("log[0].flags", "UF"),
        keeping(
            "names kept by the cluster, where the manager writes capitals",
            &none,
            &none,
        )
        .manager(json!({
            "http_protocol_options": {"header_key_format": {"proper_case_words": {}}},
        }))
        .get("/", lines)
        .shows("upstream[0].x-my-field", "1")
        .shows("client[0].X-my-ANSWER", "1")
        .shows("client[0].server", "envoy"),
        keeping(
            "names that came over HTTP/2 where others have capitals",
            &proper,
            &proper,
        )
        .way(Way::Http2)
        .get("/", &["x-my-field: 1"])
        .shows("upstream[0].x-forwarded-proto", "http"),
    ]
}

fn reasons() -> Vec<Row> {
    let none = json!({});
    let forward = json!({"forward_reason_phrase": true});
    vec![
        keeping("the endpoint's words for its status", &none, &none)
            .get("/", &[])
            .shows("client[0].line", "HTTP/1.1 200 OK"),
        keeping(
            "the endpoint's words for its status, passed on",
            &none,
            &forward,
        )
        .get("/", &[])
        .shows("client[0].line", "HTTP/1.1 200 Quite Fine"),
        keeping(
            "words for a status that only the manager would pass on",
            &forward,
            &none,
        )
        .get("/", &[])
        .shows("client[0].line", "HTTP/1.1 200 OK"),
        keeping("no words for a status, passed on", &none, &forward)
            .endpoint(vec![Act::Serve(
                "HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n",
            )])
            .get("/", &[])
            .shows("client[0].line", "HTTP/1.1 200 OK"),
        keeping(
            "words for a status without a name, passed on",
            &none,
            &forward,
        )
        .endpoint(vec![Act::Serve(
            "HTTP/1.1 299 Mostly\r\ncontent-length: 0\r\n\r\n",
        )])
        .get("/", &[])
        .shows("client[0].line", "HTTP/1.1 299 Mostly"),
        keeping(
            "the endpoint's words for an upgrade, passed on",
            &none,
            &forward,
        )
        .manager(json!({
            "http_protocol_options": kept(&none),
            "upgrade_configs": [{"upgrade_type": "websocket"}],
        }))
        .endpoint(vec![Act::Read, Act::Send(UPGRADED), Act::Close])
        .send("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        .answers(1)
        .shows("client[0].line", "HTTP/1.1 101 Come Over"),
        keeping(
            "words for an answer of the proxy's own, where others pass",
            &forward,
            &forward,
        )
        .refusing()
        .get("/", &[])
        .shows("client[0].line", "HTTP/1.1 503 Service Unavailable"),
        keeping("words for a status over HTTP/2", &none, &forward)
            .way(Way::Http2)
            .get("/", &[])
            .shows("client[0].line", "HTTP/2 200"),
    ]
}
