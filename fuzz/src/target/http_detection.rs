//! Whether the first bytes of a connection are HTTP.

use bytes::BytesMut;
use ferromesh_http::Version;
use ferromesh_http::http1::{self, Limits};
use ferromesh_proxy::{HttpKind, inspect_http};

use crate::prefix::verdict_stays;
use crate::{Target, no_seeds};

pub(crate) const TARGET: Target = Target {
    name: "http_detection",
    about: "more bytes never change a verdict; a usual request that parses is seen as HTTP",
    run,
    seeds: no_seeds,
    words: &[
        "GET ",
        "POST ",
        "M-SEARCH ",
        "/ HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
        "\r\n\r\n",
        "Host: a\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\n",
        " ",
        "\t",
    ],
};

/// A verdict is due before this many bytes (the inspector's own bound on a request line).
const ENOUGH: usize = 16 * 1024;

fn run(bytes: &[u8]) {
    let kind = verdict_stays(bytes, &HttpKind::Incomplete, inspect_http);
    assert!(kind != HttpKind::Incomplete || bytes.len() < ENOUGH);
    let parsed = http1::parse_request(&mut BytesMut::from(bytes), &Limits::default());
    let Ok(Some(request)) = parsed else {
        return;
    };
    // The inspector wants methods as registered ones look, and lines that are not endless.
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let method = request.head.method.as_str();
    let usual = method.len() <= 17 && method.bytes().all(|byte| byte.is_ascii_uppercase());
    if usual && line.len() < 8000 && !bytes.starts_with(b"\r") {
        let expected = match request.head.version {
            Version::Http10 => HttpKind::Http10,
            _ => HttpKind::Http11,
        };
        assert_eq!(kind, expected);
    }
}
