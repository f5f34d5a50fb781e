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
        return Ok(Target {
            authority: Some((0, target.len())),
            path: (target.len(), 0),
            scheme: None,
        });
    }
    if target.starts_with('/') {
        if target.contains('#') {
            return Err(HeadError::Malformed("a fragment in the request target"));
        }
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

/// Whether the text can be an authority: no user part, no delimiter of another part.
pub(crate) fn is_authority(text: &[u8]) -> bool {
    text.iter().all(|byte| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'.' | b'-'
                    | b'_'
                    | b':'
                    | b'['
                    | b']'
                    | b'~'
                    | b'%'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
            )
    })
}

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
}
