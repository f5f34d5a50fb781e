//! Path normalization, before anything looks at the path.

use crate::compiled::{EscapedSlashes, HttpManager};

/// What to do with a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Normalized {
    /// Nothing.
    Unchanged,
    /// Go on with this path.
    Changed(String),
    /// Redirect to this path.
    Redirect(String),
    /// Refuse the request.
    Rejected,
}

/// Applies the manager's settings to `path`, which may have a query.
pub(super) fn normalize(path: &str, manager: &HttpManager) -> Normalized {
    // RFC 9112 section 3.2: no form of a target has a fragment.
    if path.contains('#') {
        return Normalized::Rejected;
    }
    let end = path.find('?').unwrap_or(path.len());
    let (bare, query) = path.split_at(end);
    if !bare.starts_with('/') {
        return Normalized::Unchanged;
    }
    let mut result = None;
    let mut redirect = false;
    match manager.escaped_slashes {
        EscapedSlashes::Keep => {}
        _ if !has_escaped_slash(bare) => {}
        EscapedSlashes::Reject => return Normalized::Rejected,
        EscapedSlashes::UnescapeAndForward => result = Some(unescape_slashes(bare)),
        EscapedSlashes::UnescapeAndRedirect => {
            result = Some(unescape_slashes(bare));
            redirect = true;
        }
    }
    if manager.normalize_path {
        let current = result.as_deref().unwrap_or(bare);
        if needs_normalization(current) {
            match remove_dot_segments(current) {
                Some(clean) => result = Some(clean),
                None => return Normalized::Rejected,
            }
        }
    }
    if manager.merge_slashes {
        let current = result.as_deref().unwrap_or(bare);
        if current.contains("//") {
            result = Some(merge_slashes(current));
        }
    }
    match result {
        Some(clean) if redirect => Normalized::Redirect(clean + query),
        Some(clean) if clean != bare => Normalized::Changed(clean + query),
        _ => Normalized::Unchanged,
    }
}

fn has_escaped_slash(path: &str) -> bool {
    path.as_bytes()
        .windows(3)
        .any(|window| window.eq_ignore_ascii_case(b"%2f") || window.eq_ignore_ascii_case(b"%5c"))
}

fn unescape_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let escape = rest.get(..3).unwrap_or_default();
        if escape.eq_ignore_ascii_case("%2f") {
            out.push('/');
            rest = &rest[3..];
        } else if escape.eq_ignore_ascii_case("%5c") {
            out.push('\\');
            rest = &rest[3..];
        } else {
            out.push('%');
            rest = &rest[1..];
        }
    }
    out + rest
}

fn needs_normalization(path: &str) -> bool {
    let special = |byte| {
        matches!(
            byte,
            b'\\' | b'%' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{'..=b'}'
        )
    };
    path.contains("/.") || path.bytes().any(special)
}

/// Resolves dot segments (also escaped ones) and turns backslashes into slashes; escapes of
/// unreserved characters are decoded (RFC 3986 section 6.2.2). `None`: the path leads above the
/// root or holds an escaped NUL.
fn remove_dot_segments(path: &str) -> Option<String> {
    let decoded = decode_unreserved(path)?.replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = decoded[1..].split('/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." => {
                if last {
                    segments.push("");
                }
            }
            ".." => {
                // Browsers and Envoy stay at the root.
                segments.pop();
                if last {
                    segments.push("");
                }
            }
            part => segments.push(part),
        }
    }
    Some(format!("/{}", segments.join("/")))
}

fn decode_unreserved(path: &str) -> Option<String> {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%'
            && let Some(digits) = bytes.get(at + 1..at + 3)
            && let Ok(digits) = std::str::from_utf8(digits)
            && let Ok(byte) = u8::from_str_radix(digits, 16)
        {
            if byte == 0 {
                return None;
            }
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                out.push(byte);
                at += 3;
                continue;
            }
        }
        // What URLs do not hold as it is (the path set of the WHATWG's URL standard).
        match bytes[at] {
            byte @ (b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}') => {
                out.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
            byte => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out).ok()
}

fn merge_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !out.ends_with('/') {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_segments_are_resolved_and_never_lead_above_the_root() {
        for (path, expected) in [
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/%2e%2E/b", "/b"),
            ("/../../etc", "/etc"),
            ("/a\\..\\b", "/b"),
            ("/%61dmin", "/admin"),
            ("/a%20b", "/a%20b"),
            ("/a%2fb", "/a%2fb"),
            ("/.", "/"),
            ("/a{b}|c", "/a%7Bb%7D%7Cc"),
        ] {
            assert_eq!(
                remove_dot_segments(path).as_deref(),
                Some(expected),
                "{path}"
            );
        }
        assert_eq!(remove_dot_segments("/a%00"), None);
    }

    #[test]
    fn slashes_are_merged_and_unescaped() {
        assert_eq!(merge_slashes("//a///b/"), "/a/b/");
        assert_eq!(unescape_slashes("/a%2Fb%5cc%20%2"), "/a/b\\c%20%2");
    }
}
