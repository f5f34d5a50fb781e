//! Heads and chunks into a write buffer. What is written is the canonical form of what was parsed.

use bytes::{BufMut, BytesMut};
use http::Method;

use crate::body::Framing;
use crate::headers::Headers;
use crate::message::{RequestHead, ResponseHead};

/// Writes a request head. `Content-Length` of the fields is replaced by the framing's.
pub fn encode_request(head: &RequestHead, framing: Framing, out: &mut BytesMut) {
    let upgrade = head.protocol();
    // An extended CONNECT becomes an upgrade again.
    let method = if upgrade.is_some() && head.method == Method::CONNECT {
        "GET"
    } else {
        head.method.as_str()
    };
    out.reserve(256 + head.headers.lines_bound());
    out.put_slice(method.as_bytes());
    out.put_u8(b' ');
    let tunnel = head.method == Method::CONNECT && upgrade.is_none();
    let target = if tunnel {
        head.authority()
    } else {
        head.path()
    };
    out.put_slice(target.as_bytes());
    out.put_slice(b" HTTP/1.1\r\nhost: ");
    out.put_slice(head.authority().as_bytes());
    out.put_slice(b"\r\n");
    put_fields(&head.headers, out);
    if let Some(protocol) = upgrade {
        out.put_slice(b"connection: Upgrade\r\nupgrade: ");
        out.put_slice(protocol.as_bytes());
        out.put_slice(b"\r\n");
    }
    let bodyless = matches!(head.method, Method::GET | Method::HEAD) || tunnel || upgrade.is_some();
    match framing {
        // RFC 9110 section 8.6: methods that expect content say so even when there is none.
        Framing::None if bodyless => {}
        Framing::None => put_length(0, out),
        _ => put_framing(framing, out),
    }
    out.put_slice(b"\r\n");
}

/// Writes a response head. `close` tells the client that the connection ends after it.
pub fn encode_response(head: &ResponseHead, framing: Framing, close: bool, out: &mut BytesMut) {
    out.reserve(256 + head.headers.lines_bound());
    put_status_line(head.status, out);
    match framing {
        // The answer to HEAD, or a 304: its length describes what is not sent.
        Framing::None if !head.is_informational() => put_all_fields(&head.headers, out),
        _ => put_fields(&head.headers, out),
    }
    put_framing(framing, out);
    if close {
        out.put_slice(b"connection: close\r\n");
    }
    out.put_slice(b"\r\n");
}

fn put_status_line(status: u16, out: &mut BytesMut) {
    if status == 200 {
        return out.put_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(itoa::Buffer::new().format(status).as_bytes());
    out.put_u8(b' ');
    out.put_slice(reason_phrase(status).as_bytes());
    out.put_slice(b"\r\n");
}

/// Writes the header of a chunk; its bytes and a line break follow.
pub(crate) fn put_chunk_header(length: usize, out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bits = usize::BITS - length.leading_zeros();
    for digit in (0..bits.div_ceil(4)).rev() {
        out.put_u8(DIGITS[(length >> (4 * digit)) & 15]);
    }
    out.put_slice(b"\r\n");
}

/// Writes the last chunk with its trailers.
pub(crate) fn put_last_chunk(trailers: Option<&Headers>, out: &mut BytesMut) {
    out.put_slice(b"0\r\n");
    if let Some(trailers) = trailers {
        put_fields(trailers, out);
    }
    out.put_slice(b"\r\n");
}

fn put_framing(framing: Framing, out: &mut BytesMut) {
    match framing {
        Framing::None | Framing::UntilClose => {}
        Framing::Length(length) => put_length(length, out),
        Framing::Chunked => out.put_slice(b"transfer-encoding: chunked\r\n"),
    }
}

fn put_length(length: u64, out: &mut BytesMut) {
    out.put_slice(b"content-length: ");
    out.put_slice(itoa::Buffer::new().format(length).as_bytes());
    out.put_slice(b"\r\n");
}

fn put_fields(headers: &Headers, out: &mut BytesMut) {
    headers.lines(
        |name| name != b"content-length",
        |piece| out.extend_from_slice(piece),
    );
}

fn put_all_fields(headers: &Headers, out: &mut BytesMut) {
    headers.lines(|_| true, |piece| out.extend_from_slice(piece));
}

fn reason_phrase(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(out: &BytesMut) -> &str {
        std::str::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn a_request_is_written_in_canonical_form() {
        let mut head = RequestHead::new(Method::POST, "shop", "/a");
        head.headers.append("content-length", "99");
        head.headers.append("X-User", "me");
        let mut out = BytesMut::new();
        encode_request(&head, Framing::Length(3), &mut out);
        let expected = "POST /a HTTP/1.1\r\nhost: shop\r\nx-user: me\r\ncontent-length: 3\r\n\r\n";
        assert_eq!(text(&out), expected);
    }

    #[test]
    fn an_extended_connect_becomes_an_upgrade() {
        let mut head = RequestHead::new(Method::CONNECT, "shop", "/chat");
        head.set_protocol(Some("websocket"));
        let mut out = BytesMut::new();
        encode_request(&head, Framing::None, &mut out);
        let expected = "GET /chat HTTP/1.1\r\nhost: shop\r\nconnection: Upgrade\r\n\
                        upgrade: websocket\r\n\r\n";
        assert_eq!(text(&out), expected);
    }

    #[test]
    fn the_answer_to_head_keeps_its_length() {
        let mut head = ResponseHead::new(200);
        head.headers.append("content-length", "99");
        let mut out = BytesMut::new();
        encode_response(&head, Framing::None, true, &mut out);
        let expected = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\nconnection: close\r\n\r\n";
        assert_eq!(text(&out), expected);
    }

    #[test]
    fn chunk_headers_are_hexadecimal() {
        for (length, expected) in [(1, "1\r\n"), (16, "10\r\n"), (0xabc, "abc\r\n")] {
            let mut out = BytesMut::new();
            put_chunk_header(length, &mut out);
            assert_eq!(text(&out), expected);
        }
    }
}
