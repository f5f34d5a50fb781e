//! Paths and authorities on their way upstream.

use serde_json::{Value, json};

use crate::conformance::beside::{Row, row};

pub fn rows() -> Vec<Row> {
    let mut rows = normalized();
    rows.extend(slashes());
    rows.extend(authorities());
    rows
}

fn normal(path: &'static str) -> Row {
    row(path)
        .manager(json!({"normalize_path": true}))
        .get(path, &[])
}

fn normalized() -> Vec<Row> {
    vec![
        normal("/a/./b"),
        normal("/a/../b?x=/../y"),
        normal("/a/b/.."),
        normal("/a/%2e%2E/b"),
        normal("/a\\..\\b"),
        normal("/%61dmin%7e"),
        normal("/a%20b%zz%2"),
        normal("/a//b/..//c"),
        normal("/a%2fb%5Cc"),
        normal("/a;v=1/b!$&'()*+,=:@"),
        normal("/a{b}|c"),
        normal("/a\"<b>^`[c]"),
        normal("/.hidden/..x"),
        row("paths as they are")
            .get("/a/../b//c/./%41", &[])
            .shows("upstream[0].line", "GET /a/../b//c/./%41 HTTP/1.1"),
        row("normalized and merged")
            .manager(json!({"normalize_path": true, "merge_slashes": true}))
            .get("//a///b/../c//?q=//", &[])
            .shows("upstream[0].line", "GET /a/c/?q=// HTTP/1.1"),
    ]
}

fn slashes() -> Vec<Row> {
    let forward = |more: Value| {
        let mut fields = json!({"path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"});
        let object = fields.as_object_mut().expect("made above");
        object.extend(more.as_object().cloned().unwrap_or_default());
        fields
    };
    vec![
        row("slashes are merged")
            .manager(json!({"merge_slashes": true}))
            .get("//a///b//?q=//", &[])
            .shows("upstream[0].line", "GET /a/b/?q=// HTTP/1.1"),
        row("escaped slashes are unescaped")
            .manager(forward(json!({})))
            .get("/a%2Fb%5cc?q=%2F", &[])
            .shows("log[0].code", "200"),
        row("escaped slashes are unescaped, then normalized")
            .manager(forward(
                json!({"normalize_path": true, "merge_slashes": true}),
            ))
            .get("/a%2F..%2f%2Fb", &[])
            .shows("upstream[0].line", "GET /b HTTP/1.1"),
        row("escaped slashes are kept")
            .manager(json!({
                "path_with_escaped_slashes_action": "KEEP_UNCHANGED", "normalize_path": true,
            }))
            .get("/a%2Fb", &[])
            .shows("upstream[0].line", "GET /a%2Fb HTTP/1.1"),
        row("the route sees the normalized path")
            .manager(json!({"normalize_path": true}))
            .host(json!({"routes": [
                {"match": {"prefix": "/admin"}, "direct_response": {"status": 403}},
                {"match": {"prefix": "/"}, "route": {"cluster": "$CLUSTER"}},
            ]}))
            .get("/public/../admin", &[])
            .shows("log[0].code", "403"),
    ]
}

fn authorities() -> Vec<Row> {
    let ask = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    vec![
        row("any port is stripped")
            .manager(json!({"strip_any_host_port": true}))
            .send_made(ask("shop.example:8080"))
            .answers(1)
            .shows("upstream[0].host", "shop.example"),
        row("another port than the listener's is not stripped")
            .manager(json!({"strip_matching_host_port": true}))
            .send_made(ask("shop.example:8080"))
            .answers(1)
            .shows("upstream[0].host", "shop.example:8080"),
        row("a trailing dot is stripped")
            .manager(json!({"strip_trailing_host_dot": true}))
            .send_made(ask("shop.example."))
            .answers(1)
            .shows("upstream[0].host", "shop.example"),
        row("a trailing dot before the port is stripped")
            .manager(json!({"strip_trailing_host_dot": true}))
            .send_made(ask("shop.example.:80"))
            .answers(1)
            .shows("upstream[0].host", "shop.example:80"),
        row("port and dot are stripped")
            .manager(json!({"strip_trailing_host_dot": true, "strip_any_host_port": true}))
            .send_made(ask("shop.example.:80"))
            .answers(1)
            .shows("upstream[0].host", "shop.example"),
        row("an IPv6 authority and its port")
            .manager(json!({"strip_any_host_port": true}))
            .send_made(ask("[::1]:8080"))
            .answers(1)
            .shows("upstream[0].host", "[::1]"),
        row("an absolute target wins over Host")
            .send("GET http://a.example/x?y HTTP/1.1\r\nHost: b.example\r\n\r\n")
            .answers(1)
            .shows("upstream[0].host", "a.example"),
        row("HTTP/1.0 without Host where there is a default")
            .manager(json!({"http_protocol_options": {
                "accept_http_10": true, "default_host_for_http_10": "default.example",
            }}))
            .send("GET / HTTP/1.0\r\n\r\n")
            .answers(1)
            .shows("upstream[0].host", "default.example"),
    ]
}
