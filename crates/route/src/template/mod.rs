//! Text with `%OPERATORS%`, as Envoy's access logs and header values use it.
//!
//! Parsed once, when the config is compiled; whoever holds the request writes it out. An operator
//! that nobody knows is an error, never an empty string.

mod named;
mod operator;

use ferromesh_types::Str;
use thiserror::Error;

pub use operator::{
    AddressOf, AddressPart, CertificateField, CertificateOf, DurationUnit, GrpcStatusForm,
    HeadPart, HostForm, NameSource, Operator, PathSource, Side, TimePoint, TlsField, WireBytes,
    WireDirection, WirePart,
};

/// A template that cannot be used.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// A percent sign opens an operator that is not closed.
    #[error(
        "{0:?}: a percent sign opens an operator that is never closed; write %% for a percent sign"
    )]
    Unclosed(String),
    /// The operator is not known.
    #[error("operator %{0}% is not supported")]
    Unknown(String),
    /// The operator's argument or length is wrong.
    #[error("operator %{operator}% is not valid: {reason}")]
    Argument {
        /// As written.
        operator: String,
        /// What is wrong.
        reason: &'static str,
    },
}

/// Parsed text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    source: Str,
    segments: Vec<Segment>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Plain text.
    Text(Str),
    /// Something to fill in, cut to a number of bytes where one is given.
    Operator {
        /// What.
        operator: Operator,
        /// At most so many bytes.
        limit: Option<usize>,
    },
}

impl Template {
    /// Parses `text`.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut segments = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            plain.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(unescaped) = after.strip_prefix('%') {
                plain.push('%');
                rest = unescaped;
                continue;
            }
            let end =
                operator_end(after).ok_or_else(|| TemplateError::Unclosed(text.to_owned()))?;
            flush(&mut plain, &mut segments);
            segments.push(parse_operator(&after[..end])?);
            rest = &after[end + 1..];
        }
        plain.push_str(rest);
        flush(&mut plain, &mut segments);
        Ok(Self {
            source: text.into(),
            segments,
        })
    }

    /// Text without any operator.
    pub fn plain(text: &str) -> Self {
        Self {
            source: text.into(),
            segments: vec![Segment::Text(text.into())],
        }
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The parts in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The whole text, when there is nothing to fill in.
    pub fn literal(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [] => Some(""),
            [Segment::Text(text)] => Some(text),
            _ => None,
        }
    }
}

fn flush(plain: &mut String, segments: &mut Vec<Segment>) {
    if !plain.is_empty() {
        segments.push(Segment::Text(std::mem::take(plain).into()));
    }
}

/// Where the closing percent sign is; those inside the parentheses of an argument do not count.
fn operator_end(text: &str) -> Option<usize> {
    let mut inside = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => inside = true,
            b')' => inside = false,
            b'%' if !inside => return Some(at),
            _ => {}
        }
    }
    None
}

fn parse_operator(text: &str) -> Result<Segment, TemplateError> {
    let wrong = |reason| TemplateError::Argument {
        operator: text.to_owned(),
        reason,
    };
    let (name, argument, tail) = match text.split_once('(') {
        Some((name, rest)) => {
            let (argument, tail) = rest
                .rsplit_once(')')
                .ok_or_else(|| wrong("the argument is not closed"))?;
            (name, Some(argument), tail)
        }
        None => match text.split_once(':') {
            Some((name, _)) => (name, None, &text[name.len()..]),
            None => (text, None, ""),
        },
    };
    let limit = match tail.strip_prefix(':') {
        None if tail.is_empty() => None,
        Some(digits) if digits.parse::<usize>().is_ok() => digits.parse().ok(),
        _ => return Err(wrong("the length after the colon is not a number")),
    };
    let operator = match named::operator(name, argument) {
        Some(operator) => operator.map_err(wrong)?,
        None => return Err(TemplateError::Unknown(text.to_owned())),
    };
    Ok(Segment::Operator { operator, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_read_with_argument_and_length() {
        let template =
            Template::parse("a %REQ(X-A?:PATH):12% 100%% %START_TIME(%s)%").expect("valid");
        let operator = |operator, limit| Segment::Operator { operator, limit };
        assert_eq!(
            template.segments(),
            [
                Segment::Text("a ".into()),
                operator(
                    Operator::RequestHeader("x-a".into(), Some(":path".into())),
                    Some(12)
                ),
                Segment::Text(" 100% ".into()),
                operator(Operator::StartTime("%s".into()), None),
            ]
        );
        assert_eq!(Template::parse("v1").expect("valid").literal(), Some("v1"));
    }

    #[test]
    fn bytes_on_the_wire_are_known_by_side_direction_and_part() {
        for (name, with, direction, part) in [
            (
                "DOWNSTREAM_WIRE_BYTES_RECEIVED",
                Side::Downstream,
                WireDirection::Received,
                WirePart::All,
            ),
            (
                "UPSTREAM_HEADER_BYTES_SENT",
                Side::Upstream,
                WireDirection::Sent,
                WirePart::Fields,
            ),
            (
                "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
                Side::Upstream,
                WireDirection::Received,
                WirePart::PlainFields,
            ),
        ] {
            let template = Template::parse(&format!("%{name}%")).expect("valid");
            let operator = Operator::WireBytes(WireBytes {
                with,
                direction,
                part,
            });
            let limit = None;
            assert_eq!(template.segments(), [Segment::Operator { operator, limit }]);
        }
        for wrong in [
            "%WIRE_BYTES_SENT%",
            "%UPSTREAM_BODY_BYTES_SENT%",
            "%UPSTREAM_WIRE_BYTES_SENT(1)%",
        ] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_come_whole_or_in_parts() {
        for (text, of, part) in [
            (
                "%UPSTREAM_LOCAL_ADDRESS%",
                AddressOf::UpstreamLocal,
                AddressPart::Whole,
            ),
            (
                "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                AddressOf::DownstreamRemote,
                AddressPart::Host,
            ),
            (
                "%DOWNSTREAM_DIRECT_REMOTE_PORT%",
                AddressOf::DownstreamDirectRemote,
                AddressPart::Port,
            ),
        ] {
            let template = Template::parse(text).expect("valid");
            let expected = Segment::Operator {
                operator: Operator::Address(of, part),
                limit: None,
            };
            assert_eq!(template.segments(), [expected], "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_refused() {
        for text in [
            "%NOPE%",
            "100%",
            "%REQ()%",
            "%DURATION:x%",
            "%PROTOCOL(x)%",
            "%PATH(QW)%",
            "%UPSTREAM_LOCAL_URI_SAN%",
            "%UPSTREAM_PEER_SERIAL%",
            "%COMMON_DURATION(US_CX_BEG:US_CX_END:ms)%",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
