//! What a request asked for: its path, its query, its server.

use std::borrow::Cow;

use ferromesh_route::template::{NameSource, PathSource};

use super::record::LogRecord;
use super::value::header;

type Text<'a> = Option<Cow<'a, str>>;

/// The value of the first parameter of that name, decoded.
pub(super) fn query_parameter<'a>(name: &str, record: &LogRecord<'a>) -> Text<'a> {
    let query = query(false, record)?;
    let mut pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let found = pairs.find(|(key, _)| decoded(key) == name)?.1;
    Some(Cow::Owned(decoded(found).into_owned()))
}

/// What follows the question mark.
pub(super) fn query<'a>(decode: bool, record: &LogRecord<'a>) -> Text<'a> {
    let path = header(record.request, ":path", None)?;
    let (_, query) = path.split_once('?')?;
    Some(Cow::Owned(if decode {
        decoded(query).into_owned()
    } else {
        query.to_owned()
    }))
}

/// The path.
pub(super) fn path<'a>(with_query: bool, source: PathSource, record: &LogRecord<'a>) -> Text<'a> {
    let path = sourced(source, ("x-envoy-original-path", ":path"), record)?;
    match path.find('?') {
        Some(end) if !with_query => Some(Cow::Owned(path[..end].to_owned())),
        _ => Some(path),
    }
}

/// The server that was asked for, by the TLS hello or by the request.
pub(super) fn server_name<'a>(source: NameSource, record: &LogRecord<'a>) -> Text<'a> {
    let hello = (!record.server_name.is_empty()).then_some(Cow::Borrowed(record.server_name));
    let host = |source| sourced(source, ("x-envoy-original-host", ":authority"), record);
    match source {
        NameSource::ServerName => hello,
        NameSource::ServerNameOrHost(source) => hello.or_else(|| host(source)),
        NameSource::Host(source) => host(source),
    }
}

fn sourced<'a>(
    source: PathSource,
    (original, current): (&str, &str),
    record: &LogRecord<'a>,
) -> Text<'a> {
    match source {
        PathSource::Original => header(record.request, original, None),
        PathSource::Current => header(record.request, current, None),
        PathSource::OriginalOrCurrent => header(record.request, original, Some(current)),
    }
}

/// Undoes percent-encoding; what is none stays.
fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode(text.as_bytes())
}

fn percent_decode(bytes: &[u8]) -> Cow<'_, str> {
    if !bytes.contains(&b'%') {
        return String::from_utf8_lossy(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}
