//! Names of Kubernetes objects, labels and DNS.

/// A label of DNS: lower-case letters, digits and `-`, at most 63, not beginning or ending in `-`.
pub(crate) fn dns_label(text: &str) -> Result<(), String> {
    if is_dns_label(text) {
        return Ok(());
    }
    Err(format!(
        "Invalid value: \"{text}\": must be at most 63 lower-case letters, digits and '-', \
         beginning and ending with a letter or digit"
    ))
}

fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=63).contains(&bytes.len())
        && bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
        && bytes.iter().all(|b| plain(b) || *b == b'-')
}

/// The name of an object: labels of DNS joined by dots, at most 253.
pub(crate) fn object_name(text: &str) -> Result<(), String> {
    if text.len() <= 253 && text.split('.').all(is_dns_label) {
        return Ok(());
    }
    Err(format!(
        "Invalid value: \"{text}\": a name holds lower-case letters, digits, '-' and '.', and \
         begins and ends with a letter or digit"
    ))
}
