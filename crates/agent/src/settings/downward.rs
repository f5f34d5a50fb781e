//! Files of the downward API: one `key="value"` per line, the value with escapes as in Go.

use std::collections::BTreeMap;
use std::path::Path;

/// Reads such a file; a missing one is empty.
pub(super) fn read(path: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(entry).collect()
}

fn entry(line: &str) -> Option<(String, String)> {
    let (key, quoted) = line.split_once('=')?;
    let inner = quoted.trim().strip_prefix('"')?.strip_suffix('"')?;
    Some((key.trim().to_owned(), unescape(inner)))
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some(other) => plain.push(other),
            None => plain.push('\\'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_unquoted() {
        assert_eq!(entry("app=\"a\""), Some(("app".to_owned(), "a".to_owned())));
        let (_, value) = entry(r#"note="{\"a\":\n1}""#).expect("an entry");
        assert_eq!(value, "{\"a\":\n1}");
        assert_eq!(entry("no value"), None);
    }
}
