//! Whether the first bytes of a connection are HTTP (Envoy `http_inspector`).

use ferromesh_http::http1::HTTP2_PREFACE;

/// Longest request line that is looked at; longer ones count as not HTTP.
const MAX_LINE: usize = 8 * 1024;
/// Longest method: those of the IANA registry have up to 17 letters.
const MAX_METHOD: usize = 20;

/// What the first bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpKind {
    /// More bytes are needed to tell.
    Incomplete,
    /// Something else.
    NotHttp,
    /// A request line of HTTP/1.0.
    Http10,
    /// A request line of HTTP/1.1.
    Http11,
    /// The preface of HTTP/2.
    Http2,
}

/// Looks at the first bytes. The verdict depends on them alone, and stays when more bytes come.
pub fn inspect_http(bytes: &[u8]) -> HttpKind {
    let common = bytes.len().min(HTTP2_PREFACE.len());
    if bytes[..common] == HTTP2_PREFACE[..common] {
        if common == HTTP2_PREFACE.len() {
            return HttpKind::Http2;
        }
        return HttpKind::Incomplete;
    }
    let method = bytes
        .iter()
        .take_while(|byte| is_method_letter(**byte))
        .count();
    if method > MAX_METHOD
        || bytes.get(method).is_some_and(|byte| *byte != b' ')
        || (method == 0 && !bytes.is_empty())
    {
        return HttpKind::NotHttp;
    }
    let Some(end) = memchr::memchr(b'\n', &bytes[..bytes.len().min(MAX_LINE)]) else {
        if bytes.len() < MAX_LINE {
            return HttpKind::Incomplete;
        }
        return HttpKind::NotHttp;
    };
    let line = bytes[..end].trim_ascii_end();
    if line.ends_with(b" HTTP/1.1") {
        HttpKind::Http11
    } else if line.ends_with(b" HTTP/1.0") {
        HttpKind::Http10
    } else {
        HttpKind::NotHttp
    }
}

fn is_method_letter(byte: u8) -> bool {
    byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_told_from_other_protocols() {
        for (bytes, expected) in [
            (&b""[..], HttpKind::Incomplete),
            (b"GET", HttpKind::Incomplete),
            (b"GET / HTTP/1.1", HttpKind::Incomplete),
            (b"GET / HTTP/1.1\r\n", HttpKind::Http11),
            (b"M-SEARCH * HTTP/1.1\r\nhost: a", HttpKind::Http11),
            (b"GET / HTTP/1.0\r\n", HttpKind::Http10),
            (b"GET / HTTP/9\r\n", HttpKind::NotHttp),
            (b"hello\r\n", HttpKind::NotHttp),
            (b"\x16\x03\x01", HttpKind::NotHttp),
            (b"PRI * HT", HttpKind::Incomplete),
            (HTTP2_PREFACE, HttpKind::Http2),
            (b"*1\r\n$4\r\nPING\r\n", HttpKind::NotHttp),
            (b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", HttpKind::NotHttp),
        ] {
            assert_eq!(inspect_http(bytes), expected, "{bytes:?}");
        }
    }
}
