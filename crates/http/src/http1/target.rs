//! The four forms of a request target (RFC 9112 section 3.2).

use http::Method;

use super::error::HeadError;
use crate::message::Scheme;

/// A target, as starts and lengths in the text it was parsed from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Of the authority, when the target names one.
    pub(crate) authority: Option<(usize, usize)>,
    /// Of path and query; empty means `/` when a scheme was given, none for CONNECT.
    pub(crate) path: (usize, usize),
    /// Of an absolute target.
    pub(crate) scheme: Option<Scheme>,
}

/// Takes a target apart.
pub(crate) fn parse(method: &Method, target: &str) -> Result<Target, HeadError> {
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(HeadError::Malformed("a character in the request target"));
    }
    if *method == Method::CONNECT {
        if !is_authority_with_port(target.as_bytes()) {
            return Err(HeadError::Malformed("the target of CONNECT"));
        }
        return Ok(Target {
            authority: Some((0, target.len())),
            path: (target.len(), 0),
            scheme: None,
        });
    }
    if target.starts_with('/') {
        return Ok(Target {
            authority: None,
            path: (0, target.len()),
            scheme: None,
        });
    }
    if target == "*" {
        if *method == Method::OPTIONS {
            return Ok(Target {
                authority: None,
                path: (0, 1),
                scheme: None,
            });
        }
        return Err(HeadError::Malformed("an asterisk target outside OPTIONS"));
    }
    absolute(target)
}

fn absolute(target: &str) -> Result<Target, HeadError> {
    const SCHEMES: [(&str, Scheme); 2] = [("http://", Scheme::Http), ("https://", Scheme::Https)];
    for (prefix, scheme) in SCHEMES {
        let head = target.get(..prefix.len());
        if !head.is_some_and(|head| head.eq_ignore_ascii_case(prefix)) {
            continue;
        }
        let start = prefix.len();
        let end = target[start..]
            .find(['/', '?', '#'])
            .map_or(target.len(), |at| start + at);
        if end == start {
            return Err(HeadError::Malformed("an absolute target without a host"));
        }
        return Ok(Target {
            authority: Some((start, end - start)),
            path: (end, target.len() - end),
            scheme: Some(scheme),
        });
    }
    Err(HeadError::Malformed("the form of the request target"))
}

/// Whether the text can be an authority (RFC 3986 section 3.2): a host and perhaps a port, no user
/// part (RFC 9110 section 4.2.4).
pub(crate) fn is_authority(text: &[u8]) -> bool {
    split_port(text).is_some()
}

/// Whether the text is an authority with a port, as CONNECT needs it (RFC 9112 section 3.2.3).
pub(crate) fn is_authority_with_port(text: &[u8]) -> bool {
    split_port(text).is_some_and(|(host, port)| !host.is_empty() && !port.is_empty())
}

/// Host and port of an authority.
fn split_port(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let host_end = if text.first() == Some(&b'[') {
        let literal = text.iter().position(|byte| *byte == b']')?;
        let address = &text[1..literal];
        let is_address = address
            .iter()
            .all(|byte| is_in_name(*byte) || *byte == b':');
        (is_address && !address.is_empty()).then_some(literal + 1)?
    } else {
        let end = text.iter().position(|byte| *byte == b':');
        end.unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(host_end);
    let port = match rest {
        [] => rest,
        [b':', port @ ..] => port,
        _ => return None,
    };
    let is_literal = host.first() == Some(&b'[');
    let is_host = is_literal || host.iter().all(|byte| is_in_name(*byte));
    (is_host && port.iter().all(u8::is_ascii_digit)).then_some((host, port))
}

/// Characters of a registered name: unreserved, percent-encoded, sub-delims.
fn is_in_name(byte: u8) -> bool {
    IN_NAME[usize::from(byte)]
}

/// One look per byte of every request's host.
static IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let signs = b"-._~%!$&'()*+,;=";
    let mut at = 0;
    while at < signs.len() {
        table[signs[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0;
    while byte < 256 {
        table[byte] |= (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_understood_where_it_may_stand() {
        let path = |target: &str| {
            let parsed = parse(&Method::GET, target).expect(target);
            let text = |(start, len): (usize, usize)| target[start..start + len].to_owned();
            (parsed.authority.map(text), text(parsed.path))
        };
        assert_eq!(path("/a?b=/c"), (None, "/a?b=/c".to_owned()));
        assert_eq!(
            path("http://h:1/x"),
            (Some("h:1".to_owned()), "/x".to_owned())
        );
        assert_eq!(path("HTTP://h"), (Some("h".to_owned()), String::new()));
        assert_eq!(path("https://h?q"), (Some("h".to_owned()), "?q".to_owned()));
        for wrong in [
            "*",
            "h/x",
            "http://",
            "ftp://h/",
            "http:///x",
            "/a b",
            "/\u{7f}",
        ] {
            parse(&Method::GET, wrong).expect_err(wrong);
        }
        parse(&Method::OPTIONS, "*").expect("OPTIONS may ask the server");
        let tunnel = parse(&Method::CONNECT, "h:443").expect("an authority");
        assert_eq!((tunnel.authority, tunnel.path), (Some((0, 5)), (5, 0)));
    }

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        for good in [
            "a",
            "a:1",
            "a:",
            "",
            "my_shop.test",
            "[::1]",
            "[::1]:80",
            "a%20b",
            "a,b",
        ] {
            assert!(is_authority(good.as_bytes()), "{good:?}");
        }
        for wrong in [
            "a/b", "a?b", "a#b", "u@a", "a b", "a:web", "a:1:2", "[::1", "[]", "[::1]x", "::1",
            "a[b]", "a\\b", "\u{fc}",
        ] {
            assert!(!is_authority(wrong.as_bytes()), "{wrong:?}");
        }
        assert!(is_authority_with_port(b"[::1]:443"));
        for wrong in ["a", "a:", ":443", "/a"] {
            assert!(!is_authority_with_port(wrong.as_bytes()), "{wrong:?}");
        }
    }
}
