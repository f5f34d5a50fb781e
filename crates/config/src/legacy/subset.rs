//! Tags → the name of a subset.

use std::collections::BTreeMap;

use ferromesh_types::Str;

/// Labels of pods, called tags in Istio 0.1.
pub(super) type Tags = BTreeMap<Str, Str>;

/// `version: v1` is `v1`; more or other tags are spelled out, as in `env-test-version-v1`.
pub(super) fn subset_name(tags: &Tags) -> String {
    let version_only = tags.len() == 1 && tags.contains_key("version");
    let parts: Vec<String> = tags
        .iter()
        .map(|(key, value)| {
            if version_only {
                value.to_string()
            } else {
                format!("{key}-{value}")
            }
        })
        .collect();
    // A subset's name is a DNS label; label keys may hold `/`, `.` and `_`.
    let name = parts.join("-").to_ascii_lowercase();
    let clean = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.chars().map(clean).collect()
}
