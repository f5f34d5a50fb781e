//! Texts with a grammar of their own: regular expressions, header names, URLs; and quantities.

use crate::value::{Duration, StringMatch};

type Verdict = Result<(), String>;

/// Proxies refuse larger programs; the library's default is the same order of size.
const REGEX_SIZE: usize = 1 << 20;

/// A regular expression as proxies read it.
pub(crate) fn regex(text: &str) -> Verdict {
    match regex::RegexBuilder::new(text)
        .size_limit(REGEX_SIZE)
        .build()
    {
        Ok(_) => Ok(()),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            Err(format!(
                "Invalid value: \"{text}\": not a regular expression: {reason}"
            ))
        }
    }
}

/// The expression of a match, if it has one.
pub(crate) fn string_match(value: &StringMatch) -> Verdict {
    match value {
        StringMatch::Regex(text) if text.is_empty() => {
            Err("Invalid value: \"\": a regular expression must not be empty".into())
        }
        StringMatch::Regex(text) => regex(text),
        _ => Ok(()),
    }
}

/// The name of a header (a token of RFC 9110), or a pseudo header.
pub(crate) fn header_name(text: &str) -> Verdict {
    let name = text.strip_prefix(':').unwrap_or(text);
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !name.is_empty() && name.bytes().all(token) {
        return Ok(());
    }
    Err(format!(
        "Invalid value: \"{text}\": not the name of a header"
    ))
}

/// The scheme of a URL with a host, in lower case.
pub(crate) fn url_scheme(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let letters = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let good = scheme
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic())
        && scheme.bytes().all(letters)
        && !rest.contains(|c: char| c.is_whitespace() || c.is_control() || "\\<>\"".contains(c))
        && escapes_are_whole(rest);
    good.then(|| scheme.to_ascii_lowercase())
}

/// Whether each `%` begins two hexadecimal digits.
fn escapes_are_whole(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'%')
        .all(|(at, _)| {
            bytes
                .get(at + 1..at + 3)
                .is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
        })
}

/// At least a millisecond, and a whole number of them: proxies count in milliseconds.
pub(crate) fn duration(value: Duration) -> Verdict {
    if value.0 < std::time::Duration::from_millis(1) {
        return Err(format!(
            "Invalid value: \"{value}\": must be a valid duration greater than 1ms"
        ));
    }
    if !value.0.subsec_nanos().is_multiple_of(1_000_000) {
        return Err(format!(
            "Invalid value: \"{value}\": only durations to ms precision are supported"
        ));
    }
    Ok(())
}

/// As `duration`, where zero stands for none.
pub(crate) fn duration_or_zero(value: Duration) -> Verdict {
    if value.is_zero() {
        Ok(())
    } else {
        duration(value)
    }
}

/// A share between 0 and 100.
pub(crate) fn percent(value: f64) -> Verdict {
    if (0.0..=100.0).contains(&value) {
        return Ok(());
    }
    Err(format!("Invalid value: {value}: must be between 0 and 100"))
}

/// A status of HTTP.
pub(crate) fn status(value: u32) -> Verdict {
    if (200..=599).contains(&value) {
        return Ok(());
    }
    Err(format!(
        "Invalid value: {value}: must be a status between 200 and 599"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_scheme_and_no_stray_characters() {
        assert_eq!(url_scheme("HTTPS://a.b/c%20d").as_deref(), Some("https"));
        assert_eq!(url_scheme("hTPp\\blah"), None);
        assert_eq!(url_scheme("http://a b"), None);
        assert_eq!(url_scheme("http://a/%zz"), None);
        assert_eq!(url_scheme("example.com/x"), None);
    }

    #[test]
    fn durations_count_in_milliseconds() {
        let parse = |text| Duration::parse(text).expect("a duration");
        assert_eq!(duration(parse("1ms")), Ok(()));
        assert!(duration(parse("1us")).is_err());
        assert!(duration(parse("1.0001s")).is_err());
        assert!(duration(parse("0s")).is_err());
        assert_eq!(duration_or_zero(parse("0s")), Ok(()));
    }

    #[test]
    fn regular_expressions_are_tried() {
        assert_eq!(regex("^/api/.*$"), Ok(()));
        assert!(regex("a(").is_err());
        assert!(string_match(&StringMatch::Regex("".into())).is_err());
    }
}
