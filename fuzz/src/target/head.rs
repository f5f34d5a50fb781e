//! Heads reduced to what two of them can be compared by, and the check for any cut of the bytes.

use std::fmt::Debug;

use bytes::BytesMut;
use ferromesh_http::http1::{HeadError, Limits};
use ferromesh_http::{Framing, Headers};

use crate::prefix::cuts;

/// What came of the bytes.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome<T> {
    Incomplete,
    Refused,
    Head { consumed: usize, head: T },
}

/// Parses `bytes` as a whole and in pieces, with one buffer as a connection has it; both must come
/// to the same.
pub(super) fn parse_in_pieces<T: Debug + PartialEq>(
    bytes: &[u8],
    parse: impl Fn(&mut BytesMut) -> Result<Option<T>, HeadError>,
) -> Outcome<T> {
    let mut buffer = BytesMut::from(bytes);
    let whole = outcome(bytes.len(), &mut buffer, &parse);
    let mut buffer = BytesMut::new();
    let (mut fed, mut pieces) = (0, Outcome::Incomplete);
    for cut in cuts(bytes.len()).skip(1).chain([bytes.len()]) {
        buffer.extend_from_slice(&bytes[fed..cut]);
        fed = cut;
        pieces = outcome(fed, &mut buffer, &parse);
        if pieces != Outcome::Incomplete {
            break;
        }
    }
    assert_eq!(whole, pieces, "as a whole and in pieces");
    whole
}

fn outcome<T>(
    fed: usize,
    buffer: &mut BytesMut,
    parse: impl Fn(&mut BytesMut) -> Result<Option<T>, HeadError>,
) -> Outcome<T> {
    match parse(buffer) {
        Ok(None) => Outcome::Incomplete,
        Err(error) => {
            assert!((400..=501).contains(&error.status()), "{error}");
            Outcome::Refused
        }
        Ok(Some(head)) => {
            assert!(buffer.len() < fed, "a head takes bytes");
            Outcome::Head {
                consumed: fed - buffer.len(),
                head,
            }
        }
    }
}

/// The fields in an order that writing may change: sorted by name, equal names as they came.
pub(super) fn fields(headers: &Headers) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields: Vec<_> = headers
        .iter()
        .filter(|(name, _)| *name != b"content-length")
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect();
    for (name, value) in &fields {
        assert!(!name.is_empty(), "a field without a name");
        assert!(!name.iter().any(u8::is_ascii_uppercase), "{name:?}");
        let control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
        assert!(!value.iter().any(control), "{value:?}");
    }
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

/// No body and a body of no bytes are the same to whoever reads it.
pub(super) fn body(framing: Framing) -> Framing {
    match framing {
        Framing::Length(0) => Framing::None,
        other => other,
    }
}

/// Limits for what is written of a head within `limits`: a host and a length may come on top.
pub(super) fn roomier(limits: &Limits) -> Limits {
    Limits {
        bytes: limits.bytes + 64,
        fields: limits.fields + 2,
    }
}

/// A written head ends where it should and nowhere before, and frames itself once.
pub(super) fn check_written(written: &[u8]) {
    let end = written.windows(4).position(|window| window == b"\r\n\r\n");
    assert_eq!(end, Some(written.len() - 4), "one head was written");
    let text = String::from_utf8_lossy(written).to_ascii_lowercase();
    let count = |name: &str| text.matches(&format!("\r\n{name}:")).count();
    let (lengths, codings) = (count("content-length"), count("transfer-encoding"));
    assert!(
        lengths + codings <= 1,
        "{lengths} lengths, {codings} codings"
    );
}
