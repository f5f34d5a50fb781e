//! The library's messages in our own words, close to those of the Kubernetes API server.

use crate::check::Finding;
use crate::problem::{Code, Severity};

/// Makes a finding of what serde says about `field`.
pub(crate) fn reword(field: String, message: &str) -> Finding {
    let (code, message) = if let Some(rest) = message.strip_prefix("unknown field ") {
        (Code::UnknownField, unknown_field(&field, rest))
    } else if let Some(rest) = message.strip_prefix("unknown variant ") {
        (Code::WrongType, unsupported_value(rest))
    } else if let Some(rest) = message.strip_prefix("invalid type: ") {
        (Code::WrongType, wrong_type(rest))
    } else if let Some(rest) = message.strip_prefix("invalid value: ") {
        (Code::WrongType, out_of_range(rest))
    } else {
        (Code::WrongType, format!("Invalid value: {message}"))
    };
    Finding {
        severity: Severity::Error,
        field,
        message,
        code,
    }
}

/// `` `foo`, expected one of `a`, `b` ``
fn unknown_field(path: &str, rest: &str) -> String {
    let (name, known) = rest.split_once(", ").unwrap_or((rest, ""));
    let name = name.trim_matches('`');
    let known: Vec<&str> = quoted(known).collect();
    let mut message = format!("unknown field \"{path}\"");
    if let Some(near) = nearest(name, &known) {
        message.push_str(&format!("; did you mean \"{near}\"?"));
    } else if !known.is_empty() {
        message.push_str(&format!("; known fields are {}", known.join(", ")));
    }
    message
}

fn unsupported_value(rest: &str) -> String {
    let (name, known) = rest.split_once(", ").unwrap_or((rest, ""));
    let values: Vec<String> = quoted(known).map(|value| format!("\"{value}\"")).collect();
    format!(
        "Unsupported value: \"{}\": supported values: {}",
        name.trim_matches('`'),
        values.join(", ")
    )
}

/// `string "x", expected u32`
fn wrong_type(rest: &str) -> String {
    let (found, expected) = rest
        .split_once(", expected ")
        .unwrap_or((rest, "another type"));
    format!(
        "Invalid value: {} must be {}",
        found.replace('`', ""),
        name_of_type(expected)
    )
}

/// ``integer `99999`, expected u16``. Every 16-bit number of the API is a port.
fn out_of_range(rest: &str) -> String {
    let (found, expected) = rest
        .split_once(", expected ")
        .unwrap_or((rest, "another value"));
    let found = found.replace('`', "");
    match expected {
        "u16" => format!(
            "Invalid value: \"integer\": port must be between 1-65535, not {}",
            found.trim_start_matches("integer ")
        ),
        _ => format!("Invalid value: {found} must be {}", name_of_type(expected)),
    }
}

fn name_of_type(expected: &str) -> String {
    match expected {
        "u16" => "a port number between 1 and 65535".into(),
        "u32" => "a whole number between 0 and 4294967295".into(),
        "u64" => "a whole number, zero or more".into(),
        "i32" | "i64" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" | "bool" => "true or false".into(),
        "a string" => "a text; put it in quotes".into(),
        "a sequence" => "a list".into(),
        "a map" => "a map of fields".into(),
        other if other.starts_with("struct ") => "a map of fields".into(),
        other if other.contains("enum") => "one of the names of the API".into(),
        other => other.replace('`', ""),
    }
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The known name that is at most two edits away.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .filter(|(edits, candidate)| *edits <= 2 && *edits < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<u8> = b.bytes().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_is_wrong_and_what_would_be_right() {
        let text = |message| reword("spec.x".into(), message).message;
        assert_eq!(
            text("unknown field `wieght`, expected one of `destination`, `weight`"),
            "unknown field \"spec.x\"; did you mean \"weight\"?"
        );
        assert_eq!(
            text("unknown variant `ON`, expected one of `STRICT`, `DISABLE`"),
            "Unsupported value: \"ON\": supported values: \"STRICT\", \"DISABLE\""
        );
        assert_eq!(
            text("invalid value: integer `99999`, expected u16"),
            "Invalid value: \"integer\": port must be between 1-65535, not 99999"
        );
        assert_eq!(
            text("invalid type: string \"a\", expected u32"),
            "Invalid value: string \"a\" must be a whole number between 0 and 4294967295"
        );
    }
}
