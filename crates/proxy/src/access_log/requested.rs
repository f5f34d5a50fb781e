//! What a request asked for: its path, its query, its server.

use std::borrow::Cow;

use ferromesh_route::template::{NameSource, PathSource};
use percent_encoding::percent_decode_str;

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

/// Undoes percent-encoding; what is none stays, and what is no text then is marked.
fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_encoding_stays_as_it_is() {
        assert_eq!(decoded("%6fne%2F+%C3%a9"), "one/+\u{e9}");
        assert_eq!(decoded("50%"), "50%");
        assert_eq!(decoded("%4%41%g1"), "%4A%g1");
        assert_eq!(decoded("a%ffb"), "a\u{fffd}b");
    }
}
