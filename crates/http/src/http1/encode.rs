//! Heads and chunks into a write buffer. What is written is the canonical form of what was parsed.

use bytes::{BufMut, BytesMut};
use http::Method;

use crate::body::Framing;
use crate::headers::Headers;
use crate::message::{RequestHead, ResponseHead};

/// Writes a request head. `Content-Length` of the fields is replaced by the framing's. Says how many
/// bytes the lines of its fields take.
pub fn encode_request(head: &RequestHead, framing: Framing, out: &mut BytesMut) -> usize {
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
    let authority = head.headers.slice(head.authority);
    let target = if tunnel {
        authority
    } else {
        head.headers.slice(head.path)
    };
    out.put_slice(target);
    out.put_slice(b" HTTP/1.1\r\n");
    let start = out.len();
    out.put_slice(b"host: ");
    out.put_slice(authority);
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
    let fields = out.len() - start;
    out.put_slice(b"\r\n");
    fields
}

/// What a response head says besides its own fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResponseForm {
    /// Whether the connection ends after it.
    pub(crate) close: bool,
    /// Whether the client spoke HTTP/1.0.
    pub(crate) http10: bool,
    /// Whether it answers HEAD.
    pub(crate) to_head: bool,
}

/// Writes a response head for a client of HTTP/1.1. `close` tells it that the connection ends.
pub fn encode_response(head: &ResponseHead, framing: Framing, close: bool, out: &mut BytesMut) {
    let form = ResponseForm {
        close,
        ..ResponseForm::default()
    };
    let _ = encode_response_as(head, framing, form, out);
}

/// The same in another form. Says how many bytes the lines of the fields take.
pub(crate) fn encode_response_as(
    head: &ResponseHead,
    framing: Framing,
    form: ResponseForm,
    out: &mut BytesMut,
) -> usize {
    out.reserve(256 + head.headers.lines_bound());
    put_status_line(head, form.http10, out);
    let start = out.len();
    match framing {
        // RFC 9110 section 8.6: no length in interim answers and 204.
        Framing::None if head.is_informational() || head.status == 204 => {
            put_fields(&head.headers, out);
        }
        // The answer to HEAD, or a 304: its length describes what is not sent.
        Framing::None => put_all_fields(&head.headers, out),
        _ => put_fields(&head.headers, out),
    }
    put_framing(framing, out);
    // What GET would be answered with: a body whose length is not known yet.
    let untold = form.to_head && framing == Framing::None && head.status != 304;
    if untold && !form.http10 && head.has_body() && !head.headers.contains("content-length") {
        put_framing(Framing::Chunked, out);
    }
    if form.close {
        out.put_slice(b"connection: close\r\n");
    } else if form.http10 {
        // RFC 9112 appendix C.2.2: such a client closes unless it is told.
        out.put_slice(b"connection: keep-alive\r\n");
    }
    let fields = out.len() - start;
    out.put_slice(b"\r\n");
    fields
}

fn put_status_line(head: &ResponseHead, http10: bool, out: &mut BytesMut) {
    let status = head.status;
    let written = head.headers.written.as_ref();
    let kept = written.map_or(&[][..], |written| &*written.reason);
    if status == 200 && !http10 && kept.is_empty() {
        return out.put_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.put_slice(if http10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.put_slice(itoa::Buffer::new().format(status).as_bytes());
    out.put_u8(b' ');
    if kept.is_empty() {
        out.put_slice(reason_phrase(status).as_bytes());
    } else {
        out.put_slice(kept);
    }
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

/// Writes the last chunk with its trailers. Says how many bytes their lines take.
pub(crate) fn put_last_chunk(trailers: Option<&Headers>, out: &mut BytesMut) -> usize {
    out.put_slice(b"0\r\n");
    let start = out.len();
    if let Some(trailers) = trailers {
        put_fields(trailers, out);
    }
    let fields = out.len() - start;
    out.put_slice(b"\r\n");
    fields
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
        let fields = encode_request(&head, Framing::Length(3), &mut out);
        let lines = "host: shop\r\nx-user: me\r\ncontent-length: 3\r\n";
        assert_eq!(text(&out), format!("POST /a HTTP/1.1\r\n{lines}\r\n"));
        assert_eq!(fields, lines.len());
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
        let form = ResponseForm {
            close: true,
            to_head: true,
            ..ResponseForm::default()
        };
        let fields = encode_response_as(&head, Framing::None, form, &mut out);
        let lines = "content-length: 99\r\nconnection: close\r\n";
        assert_eq!(text(&out), format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
        assert_eq!(fields, lines.len());
    }

    #[test]
    fn chunk_headers_are_hexadecimal() {
        for (length, expected) in [(1, "1\r\n"), (16, "10\r\n"), (0xabc, "abc\r\n")] {
            let mut out = BytesMut::new();
            put_chunk_header(length, &mut out);
            assert_eq!(text(&out), expected);
        }
    }

    fn answered(status: u16, form: ResponseForm) -> String {
        let mut out = BytesMut::new();
        encode_response_as(&ResponseHead::new(status), Framing::None, form, &mut out);
        text(&out).to_owned()
    }

    #[test]
    fn an_answer_to_head_without_a_length_announces_chunks() {
        let form = ResponseForm {
            to_head: true,
            ..ResponseForm::default()
        };
        let expected = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(answered(200, form), expected);
        assert_eq!(answered(304, form), "HTTP/1.1 304 Not Modified\r\n\r\n");
        assert_eq!(answered(204, form), "HTTP/1.1 204 No Content\r\n\r\n");
    }

    #[test]
    fn a_client_of_http10_is_answered_in_kind() {
        let form = ResponseForm {
            http10: true,
            ..ResponseForm::default()
        };
        let expected = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n\r\n";
        assert_eq!(answered(200, form), expected);
    }
}
