//! Heads that are read, and heads that are refused.

use super::*;
use crate::http1::Keeping;

fn request(text: &str) -> Result<Option<IncomingRequest>, HeadError> {
    parse_request(&mut BytesMut::from(text), &Limits::default())
}

fn response(method: Method, text: &str) -> Result<Option<IncomingResponse>, HeadError> {
    parse_response(&mut BytesMut::from(text), &method, &Limits::default())
}

#[test]
fn a_request_is_read_with_lower_case_names_and_without_connection_fields() {
    let mut buffer = BytesMut::from(
        "\r\nPOST /a?b HTTP/1.1\r\nHost: shop\r\nX-User:  me \r\nConnection: keep-alive\r\n\
         Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabcNEXT",
    );
    let read = parse_request(&mut buffer, &Limits::default())
        .expect("good")
        .expect("complete");
    assert_eq!(&buffer[..], b"abcNEXT");
    assert_eq!(read.head.authority(), "shop");
    assert_eq!(read.head.path(), "/a?b");
    assert_eq!(read.head.headers.text("x-user"), Some("me"));
    assert!(!read.head.headers.contains("connection"));
    assert!(!read.head.headers.contains("host"));
    assert_eq!(read.framing, Framing::Length(3));
    assert!(read.keep_alive && read.expects_continue);
}

#[test]
fn every_shorter_prefix_is_incomplete() {
    let text = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    for length in 0..text.len() {
        assert!(matches!(request(&text[..length]), Ok(None)), "{length}");
    }
}

#[test]
fn empty_lines_are_counted_however_they_come() {
    let mut buffer = BytesMut::new();
    let mut refused = None;
    for _ in 0..20 {
        buffer.extend_from_slice(b"\r\n");
        refused = parse_request(&mut buffer, &Limits::default()).err();
        if refused.is_some() {
            break;
        }
    }
    assert_eq!(
        refused,
        Some(HeadError::Malformed("nothing but empty lines"))
    );
}

#[test]
fn the_fragment_of_an_absolute_target_goes_no_further() {
    for (target, path) in [
        ("http://a/x?y#f", "/x?y"),
        ("http://a#f", "/"),
        ("http://a?q#f", "/?q"),
        ("http://a/#/f", "/"),
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let read = request(&text).expect("good").expect("complete");
        assert_eq!(read.head.path(), path, "{target}");
    }
}

#[test]
fn a_tunnel_is_not_upgraded() {
    let text = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let read = request(text).expect("good").expect("complete");
    assert_eq!(read.head.protocol(), None);
    assert_eq!((read.head.authority(), read.head.path()), ("a:1", ""));
    // Longer than all that follows it.
    let target = "a".repeat(100);
    let read = request(&format!("CONNECT {target}:1 HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(read.expect("good").expect("complete").head.path(), "");
}

#[test]
fn malformed_requests_are_refused() {
    for text in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        "GET /\u{fc} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
        "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n",
    ] {
        let error = request(text).expect_err(text);
        assert!(matches!(error.status(), 400 | 426 | 501), "{text:?}");
    }
}

#[test]
fn limits_hold_for_bytes_and_fields() {
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "y".repeat(61 * 1024));
    assert_eq!(request(&long).expect_err("too long"), HeadError::TooLarge);
    let fields: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\n{fields}\r\n");
    assert_eq!(
        request(&many).expect_err("too many"),
        HeadError::TooManyFields
    );
    assert_eq!(HeadError::TooManyFields.status(), 431);
}

#[test]
fn the_authority_of_an_absolute_target_wins() {
    let text = "GET http://real:8080?q HTTP/1.1\r\nHost: other\r\n\r\n";
    let read = request(text).expect("good").expect("complete");
    assert_eq!(
        (read.head.authority(), read.head.path()),
        ("real:8080", "/?q")
    );
}

#[test]
fn keep_alive_follows_the_version() {
    for (text, expected) in [
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", true),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            false,
        ),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n", true),
    ] {
        let read = request(text).expect("good").expect("complete");
        assert_eq!(read.keep_alive, expected, "{text:?}");
    }
}

#[test]
fn an_upgrade_is_known_by_both_fields() {
    let text = "GET /chat HTTP/1.1\r\nhost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let read = request(text).expect("good").expect("complete");
    assert_eq!(read.head.protocol(), Some("websocket"));
    assert!(!read.head.headers.contains("upgrade"));
    let text = "GET /chat HTTP/1.1\r\nhost: a\r\nUpgrade: websocket\r\n\r\n";
    let read = request(text).expect("good").expect("complete");
    assert_eq!(read.head.protocol(), None);
}

#[test]
fn a_switch_of_protocols_is_passed_on_without_framing() {
    let fields = ["content-length: 3", "transfer-encoding: chunked"];
    for field in fields {
        let text =
            format!("HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: x\r\n{field}\r\n\r\n");
        let read = response(Method::GET, &text)
            .expect("good")
            .expect("complete");
        assert_eq!(read.framing, Framing::UntilClose);
        let names: Vec<_> = read.head.headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names, [&b"connection"[..], b"upgrade"]);
    }
}

#[test]
fn the_end_of_a_response_is_known() {
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let open = "HTTP/1.1 200 OK\r\n\r\n";
    let switching = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    for (method, text, framing, keep_alive) in [
        (Method::GET, ok, Framing::Length(5), true),
        (Method::HEAD, ok, Framing::None, true),
        (Method::GET, chunked, Framing::Chunked, true),
        (Method::GET, open, Framing::UntilClose, false),
        (Method::CONNECT, open, Framing::UntilClose, false),
        (Method::GET, switching, Framing::UntilClose, false),
        (
            Method::GET,
            "HTTP/1.1 204 No Content\r\n\r\n",
            Framing::None,
            true,
        ),
        (
            Method::GET,
            "HTTP/1.1 304 x\r\ncontent-length: 9\r\n\r\n",
            Framing::None,
            true,
        ),
        (
            Method::GET,
            "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n",
            Framing::Length(1),
            false,
        ),
    ] {
        let read = response(method, text).expect("good").expect("complete");
        assert_eq!(
            (read.framing, read.keep_alive),
            (framing, keep_alive),
            "{text:?}"
        );
    }
}

#[test]
fn malformed_responses_are_refused() {
    for text in [
        "HTTP/1.1 200 OK\ncontent-length: 5\n\n",
        "HTTP/1.1 99 x\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx : 1\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
    ] {
        response(Method::GET, text).expect_err(text);
    }
}

#[test]
fn what_is_not_served_is_told_from_what_is_malformed() {
    for (text, status) in [
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 426),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 426),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            501,
        ),
        ("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (
            "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 1\r\n\r\n",
            400,
        ),
        ("GET http://a/ HTTP/1.1\r\n\r\n", 400),
    ] {
        assert_eq!(request(text).expect_err(text).status(), status, "{text:?}");
    }
}

#[test]
fn names_are_kept_as_they_came_if_asked() {
    let mut buffer = BytesMut::from("GET / HTTP/1.1\r\nHOST: a\r\nx-Y: 1\r\n\r\n");
    let limits = Limits::default();
    let read =
        parse_request_as(&mut buffer, &limits, NameCase::Kept(Keeping::default())).expect("good");
    let headers = read.expect("complete").head.headers;
    assert_eq!(headers.text("x-y"), Some("1"));
    let names = [&b"HOST"[..], b"x-Y"];
    let expected = Written::of(names.into_iter(), Keeping::default());
    assert_eq!(headers.written.as_deref(), Some(&expected));
}

#[test]
fn words_behind_a_status_are_kept_if_asked() {
    for (reason, expected) in [(true, &b"Quite Fine"[..]), (false, b"")] {
        let mut buffer = BytesMut::from("HTTP/1.1 200 Quite Fine\r\ncontent-length: 0\r\n\r\n");
        let names = NameCase::Kept(Keeping {
            reason,
            ..Keeping::default()
        });
        let read = parse_response_as(&mut buffer, &Method::GET, &Limits::default(), names);
        let headers = read.expect("good").expect("complete").head.headers;
        let written = headers.written.as_deref().expect("kept");
        assert_eq!(&*written.reason, expected);
    }
}
