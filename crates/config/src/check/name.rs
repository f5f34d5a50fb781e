//! Names: of Kubernetes objects, labels, DNS.

type Verdict = Result<(), String>;

/// A label of DNS: lower-case letters, digits and `-`, at most 63, not beginning or ending in `-`.
pub(crate) fn dns_label(text: &str) -> Verdict {
    if is_dns_label(text) {
        return Ok(());
    }
    Err(format!(
        "Invalid value: \"{text}\": must be at most 63 lower-case letters, digits and '-', \
         beginning and ending with a letter or digit"
    ))
}

fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len()) && is_framed(text, |b| b.is_ascii_lowercase(), |b| b == b'-')
}

/// Whether the text holds letters and digits, and `inner` bytes between them.
fn is_framed(text: &str, letter: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    let outer = |b: &u8| letter(*b) || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(outer)
        && bytes.last().is_some_and(outer)
        && bytes.iter().all(|b| outer(b) || inner(*b))
}

/// The name of an object: labels of DNS joined by dots, at most 253.
pub(crate) fn object_name(text: &str) -> Verdict {
    let label = |label: &str| is_framed(label, |b| b.is_ascii_lowercase(), |b| b == b'-');
    if text.len() <= 253 && text.split('.').all(label) {
        return Ok(());
    }
    Err(format!(
        "Invalid value: \"{text}\": a name holds lower-case letters, digits, '-' and '.', and \
         begins and ends with a letter or digit"
    ))
}

/// The name of a port: letters, digits and `-`, less than 63.
pub(crate) fn is_port_name(text: &str) -> bool {
    text.len() < 63 && is_framed(text, |b| b.is_ascii_alphabetic(), |b| b == b'-')
}

/// A DNS name whose first label may be `*`, or `*` alone. Names are compared without case, and
/// underscores are let through as resolvers do.
pub(crate) fn host(text: &str) -> Verdict {
    let rest = match text {
        "*" => return Ok(()),
        "" => return Err("Invalid value: \"\": a host must not be empty".into()),
        text => text.strip_prefix("*.").unwrap_or(text),
    };
    let rest = rest.strip_suffix('.').unwrap_or(rest);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && is_framed(
                label,
                |b| b.is_ascii_alphabetic() || b == b'_',
                |b| b == b'-',
            )
    };
    if rest.len() <= 255 && rest.split('.').all(label) {
        return Ok(());
    }
    Err(format!(
        "Invalid value: \"{text}\": not a host name; labels of letters, digits and '-' are joined \
         by dots, and '*' may only stand as the whole first label"
    ))
}

/// A host name without wildcard.
pub(crate) fn exact_host(text: &str) -> Verdict {
    if text.contains('*') {
        return Err(format!(
            "Invalid value: \"{text}\": a wildcard is not allowed here"
        ));
    }
    host(text)
}

/// The key of a label: `[prefix/]name`.
pub(crate) fn label_key(text: &str) -> Verdict {
    if text.is_empty() {
        return Err("Invalid value: \"object\": key must not be empty".into());
    }
    if text.contains('*') {
        return Err(format!(
            "Invalid value: \"{text}\": wildcard is not supported in selector"
        ));
    }
    let (prefix, name) = text
        .split_once('/')
        .map_or((None, text), |(p, n)| (Some(p), n));
    let good = is_label_name(name) && prefix.is_none_or(|prefix| object_name(prefix).is_ok());
    if good {
        Ok(())
    } else {
        Err(format!("Invalid value: \"{text}\": not a label key"))
    }
}

/// The value of a label.
pub(crate) fn label_value(text: &str) -> Verdict {
    if text.contains('*') {
        return Err(format!(
            "Invalid value: \"{text}\": wildcard is not supported in selector"
        ));
    }
    if text.is_empty() || is_label_name(text) {
        return Ok(());
    }
    Err(format!(
        "Invalid value: \"{text}\": a label value holds at most 63 letters, digits, '-', '_' and \
         '.', and begins and ends with a letter or digit"
    ))
}

fn is_label_name(text: &str) -> bool {
    text.len() <= 63
        && is_framed(
            text,
            |b| b.is_ascii_alphabetic(),
            |b| matches!(b, b'-' | b'_' | b'.'),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_may_have_a_wildcard_as_their_first_label_only() {
        for good in [
            "*",
            "reviews",
            "*.example.com",
            "A.b.c",
            "x_y.example.com",
            "a.b.",
        ] {
            assert_eq!(host(good), Ok(()), "{good}");
        }
        for bad in [
            "", "*a.com", "a.*.com", "-a", "a..b", "a b", "http://a", "a:80", "*.",
        ] {
            assert!(host(bad).is_err(), "{bad}");
        }
        assert!(exact_host("*.a").is_err());
    }

    #[test]
    fn labels_follow_the_rules_of_kubernetes() {
        assert_eq!(label_key("topology.kubernetes.io/zone"), Ok(()));
        assert!(label_key("/zone").is_err());
        assert!(label_key("").is_err());
        assert_eq!(label_value(""), Ok(()));
        assert!(label_value("a/b").is_err());
        assert!(label_value(&"a".repeat(64)).is_err());
        assert!(is_port_name("http-1") && !is_port_name("@"));
    }
}
