//! What a plain scalar means.
//!
//! Kubernetes reads YAML 1.1: `yes`, `no`, `on`, `off` are booleans and `0644` is octal. A file
//! that the API server understands must mean the same here.

use serde_json::{Number, Value};

/// The value of a scalar that stands without quotes and without a tag.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

/// The value of a scalar with a tag of the core schema (`!!str`, `!!int` …); unknown tags are text.
pub(crate) fn resolve_tagged(suffix: &str, text: &str) -> Value {
    match suffix {
        "null" => Value::Null,
        "bool" | "int" | "float" => resolve(text),
        _ => Value::String(text.to_owned()),
    }
}

fn number(text: &str) -> Option<Number> {
    let first = text.bytes().next()?;
    if !first.is_ascii_digit() && !matches!(first, b'-' | b'+' | b'.') {
        return None;
    }
    integer(text).or_else(|| float(text))
}

fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|b| (b as char).is_digit(radix)) {
        return None;
    }
    let size = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        0_i64.checked_sub_unsigned(size).map(Number::from)
    } else {
        Some(Number::from(size))
    }
}

/// Infinities, hexadecimal floats and the like are texts: JSON has no numbers for them.
fn float(text: &str) -> Option<Number> {
    if !text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return None;
    }
    if !text.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_mean_what_they_mean_to_kubernetes() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("yes", json!(true)),
            ("off", json!(false)),
            ("12", json!(12)),
            ("-12", json!(-12)),
            ("0644", json!(420)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("10ms", json!("10ms")),
            ("1.2.3", json!("1.2.3")),
            ("089", json!(89.0)),
            (".inf", json!(".inf")),
            ("-", json!("-")),
            ("y", json!("y")),
            ("2026-01-01", json!("2026-01-01")),
            ("10.0.0.0/8", json!("10.0.0.0/8")),
        ] {
            assert_eq!(resolve(text), value, "{text}");
        }
    }
}
