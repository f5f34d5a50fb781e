//! Requests that are refused for what they are.

use serde_json::json;

use crate::conformance::beside::{Row, row};

const KNOWN: &str = "Envoy's codec refuses the head before it is kept; our log still knows it";
const AS_IT_CAME: &str = "the log shows the path that was refused, Envoy's what it made of it";

pub fn rows() -> Vec<Row> {
    let mut rows = heads();
    rows.extend(paths());
    rows
}

fn heads() -> Vec<Row> {
    let underscores = |action: &str| json!({"common_http_protocol_options": {"headers_with_underscores_action": action}});
    vec![
        row("no Host")
            .send("GET / HTTP/1.1\r\n\r\n")
            .answers(1)
            .reply("400", "", "missing_host_header"),
        row("HTTP/1.0 where it is not accepted")
            .send("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
            .answers(1)
            .note("log[0].request", KNOWN)
            .note("log[0].original_path", KNOWN)
            .reply("426", "DPE", "low_version"),
        row("a head with more fields than the limit")
            .manager(json!({"common_http_protocol_options": {"max_headers_count": 4}}))
            .get("/", &["a: 1", "b: 2", "c: 3", "d: 4", "e: 5"])
            .reply("431", "DPE", "http1.too_many_headers"),
        row("a head that is larger than the limit")
            .manager(json!({"max_request_headers_kb": 1}))
            .send_made(format!(
                "GET / HTTP/1.1\r\nHost: a\r\nx-long: {}\r\n\r\n",
                "x".repeat(2000)
            ))
            .answers(1)
            .reply("431", "DPE", "http1.headers_too_large"),
        row("a head that is no HTTP")
            .send("HELLO\r\n\r\n")
            .answers(1)
            .reply("400", "DPE", "http1.codec_error"),
        row("an unknown transfer coding")
            .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n")
            .answers(1)
            .reply("501", "DPE", "http1.invalid_transfer_encoding"),
        row("both framings at once")
            .send(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\
                 \r\n\r\n0\r\n\r\n",
            )
            .answers(1)
            .reply("400", "DPE", "http1.content_length_and_chunked_not_allowed"),
        row("a chunk size that is no number")
            .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n")
            .answers(1)
            .reply("400", "DPE", "http1.codec_error"),
        row("a name with an underscore where that is refused")
            .manager(underscores("REJECT_REQUEST"))
            .get("/", &["x_under: 1"])
            .note("log[0].request", KNOWN)
            .note("log[0].original_path", KNOWN)
            .reply("400", "DPE", "http1.unexpected_underscore"),
        row("a name with an underscore where that is dropped")
            .manager(underscores("DROP_HEADER"))
            .get("/", &["x_under: 1", "x-dash: 2"])
            .shows("upstream[0].x_under", "")
            .shows("upstream[0].x-dash", "2")
            .reply("200", "", "via_upstream"),
        row("a field name that is no token")
            .get("/", &["x bad: 1"])
            .reply("400", "DPE", "http1.codec_error"),
        row("a client that leaves in the middle of a body")
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhalf")
            .pause(100)
            .leave()
            .reply("0", "DC", "downstream_remote_disconnect"),
    ]
}

fn paths() -> Vec<Row> {
    let slashes = |action: &str| json!({"path_with_escaped_slashes_action": action});
    vec![
        row("an escaped slash where that is refused")
            .manager(slashes("REJECT_REQUEST"))
            .get("/a%2Fb", &[])
            .note("log[0].request", AS_IT_CAME)
            .note("log[0].original_path", AS_IT_CAME)
            .reply("400", "", "path_normalization_failed"),
        row("an escaped slash where that redirects")
            .manager(slashes("UNESCAPE_AND_REDIRECT"))
            .get("/a%2Fb?q=%2F", &[])
            .shows("client[0].location", "/a/b?q=%2F")
            .note("log[0].request", AS_IT_CAME)
            .note("log[0].original_path", AS_IT_CAME)
            .reply("307", "", "path_normalization_failed"),
        row("an escaped NUL where paths are normalized")
            .manager(json!({"normalize_path": true}))
            .get("/a%00b", &[])
            .reply("400", "", "path_normalization_failed"),
        row("a path that leads above the root")
            .manager(json!({"normalize_path": true}))
            .get("/../../etc", &[])
            .shows("upstream[0].line", "GET /etc HTTP/1.1")
            .reply("200", "", "via_upstream"),
        row("a fragment in the path").get("/a#frag", &[]).reply(
            "400",
            "",
            "path_normalization_failed",
        ),
    ]
}
