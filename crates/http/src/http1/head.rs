//! Heads out of a read buffer.
//!
//! `httparse` finds the tokens; this file adds what it leaves open: limits, line endings, lower-case
//! names, the target, the host rules and the framing. A head is taken out of the buffer only when it
//! is complete and good.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use bytes::{Buf as _, BytesMut};
use http::Method;

use super::error::HeadError;
use super::names::{NameCase, Written};
use super::{fields, target};
use crate::body::Framing;
use crate::headers::{Entry, Headers, Span};
use crate::message::{RequestHead, ResponseHead, Scheme, Version};
use crate::spare_fields;

/// Upper bounds of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole head.
    pub bytes: usize,
    /// Number of fields; at most [`Limits::MOST_FIELDS`].
    pub fields: usize,
}

impl Limits {
    /// What fits in the parser's table.
    pub const MOST_FIELDS: usize = 256;
}

impl Default for Limits {
    /// Envoy's: 60 KiB and 100 fields.
    fn default() -> Self {
        Self {
            bytes: 60 * 1024,
            fields: 100,
        }
    }
}

/// A request that was read.
#[derive(Debug)]
pub struct IncomingRequest {
    /// The head.
    pub head: RequestHead,
    /// How the body ends.
    pub framing: Framing,
    /// Whether the client keeps the connection.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// Bytes of names and values, colons and line ends.
    pub field_bytes: u32,
}

/// A response that was read.
#[derive(Debug)]
pub struct IncomingResponse {
    /// The head.
    pub head: ResponseHead,
    /// How the body ends.
    pub framing: Framing,
    /// Whether the server keeps the connection.
    pub keep_alive: bool,
    /// Bytes of names and values, colons and line ends.
    pub field_bytes: u32,
}

/// A head up to this size is copied; a larger one keeps the memory that it was read into.
const COPIED: usize = 2048;

type Table<'a> = [MaybeUninit<httparse::Header<'a>>; Limits::MOST_FIELDS];

/// Takes a request head off `buffer`; `None` when it is not complete yet.
pub fn parse_request(
    buffer: &mut BytesMut,
    limits: &Limits,
) -> Result<Option<IncomingRequest>, HeadError> {
    parse_request_as(buffer, limits, NameCase::Lower)
}

/// The same, with names kept as they came if `names` says so.
pub(crate) fn parse_request_as(
    buffer: &mut BytesMut,
    limits: &Limits,
    names: NameCase,
) -> Result<Option<IncomingRequest>, HeadError> {
    check_empty_lines(buffer)?;
    let mut table: Table<'_> = [const { MaybeUninit::uninit() }; Limits::MOST_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let status = parsed.parse_with_uninit_headers(buffer, &mut table);
    let Some(length) = complete(status, buffer, limits)? else {
        return Ok(None);
    };
    let base = buffer.as_ptr() as usize;
    let place = Place::of(length);
    let spare = spans(parsed.headers, base, limits, place)?;
    check_line_ends(&buffer[..length], &spare.0)?;
    let (Some(method), Some(path), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(HeadError::Malformed("the request line"));
    };
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| HeadError::Malformed("the method"))?;
    let target = target::parse(&method, path)?;
    let start = path.as_ptr() as usize - base;
    let span = |(at, len): (usize, usize)| place.span(start + at, len);
    let version = version(minor);
    let headers = take_block(buffer, length, spare, names);
    let field_bytes = headers.line_lengths();
    let mut head = RequestHead {
        method,
        version,
        scheme: target.scheme.unwrap_or(Scheme::Http),
        headers,
        authority: target.authority.map(span).unwrap_or_default(),
        path: span(target.path),
        protocol: Span::default(),
    };
    if target.scheme.is_some() {
        complete_path(&mut head);
    }
    finish_request(head, target.authority.is_some(), field_bytes).map(Some)
}

/// An absolute target may leave the path out, wholly or before its query; a fragment is the
/// client's own.
fn complete_path(head: &mut RequestHead) {
    let whole = head.path().to_owned();
    let path = whole.split('#').next().unwrap_or_default();
    if !path.starts_with('/') {
        head.set_path(&format!("/{path}"));
    } else if path.len() < whole.len() {
        head.set_path(path);
    }
}

fn finish_request(
    mut head: RequestHead,
    authority_in_target: bool,
    field_bytes: u32,
) -> Result<IncomingRequest, HeadError> {
    let host = {
        let mut hosts = head.headers.all("host");
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(HeadError::Malformed("more than one Host"));
        }
        host
    };
    if let Some(host) = host
        && !target::is_authority(host)
    {
        return Err(HeadError::Malformed("a character in Host"));
    }
    if authority_in_target {
        if !target::is_authority(head.authority().as_bytes()) {
            return Err(HeadError::Malformed("a character in the authority"));
        }
        if !head.headers.contains("host") && head.version != Version::Http10 {
            return Err(HeadError::Malformed("no Host"));
        }
    } else if let Some(entry) = head.headers.span("host") {
        head.authority = entry;
    }
    head.headers.remove("host");
    let connection = fields::read(&head.headers)?;
    let http10 = head.version == Version::Http10;
    if connection.chunked && http10 {
        return Err(HeadError::Framing("Transfer-Encoding in HTTP/1.0"));
    }
    let expects_continue = !http10
        && (head.headers.find("expect"))
            .is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
    // A tunnel is not upgraded: what it carries is nobody's business on the way.
    if connection.upgrade && !http10 && head.method != Method::CONNECT {
        let protocol = head.headers.joined("upgrade").map(Cow::into_owned);
        head.set_protocol(protocol.as_deref());
    }
    fields::remove_hop_by_hop(&mut head.headers);
    if head.method == Method::CONNECT {
        refuse_content(&connection)?;
    }
    let framing = match (connection.chunked, connection.length) {
        _ if head.method == Method::CONNECT => Framing::UntilClose,
        (true, _) => Framing::Chunked,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::None,
    };
    Ok(IncomingRequest {
        keep_alive: !connection.close && (!http10 || connection.keep_alive),
        head,
        framing,
        expects_continue,
        field_bytes,
    })
}

/// RFC 9110 section 9.3.6: a request for a tunnel has no content; what follows is the tunnel's.
fn refuse_content(connection: &fields::ConnectionFields) -> Result<(), HeadError> {
    if connection.chunked {
        return Err(HeadError::Coding);
    }
    if connection.length.is_some_and(|length| length > 0) {
        return Err(HeadError::Framing("content of CONNECT"));
    }
    Ok(())
}

/// Takes a response head off `buffer`; `None` when it is not complete yet. `request` is the method
/// of the request that it answers.
pub fn parse_response(
    buffer: &mut BytesMut,
    request: &Method,
    limits: &Limits,
) -> Result<Option<IncomingResponse>, HeadError> {
    parse_response_as(buffer, request, limits, NameCase::Lower)
}

/// The same, with names kept as they came if `names` says so.
pub(crate) fn parse_response_as(
    buffer: &mut BytesMut,
    request: &Method,
    limits: &Limits,
    names: NameCase,
) -> Result<Option<IncomingResponse>, HeadError> {
    let mut table: Table<'_> = [const { MaybeUninit::uninit() }; Limits::MOST_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let status = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        buffer,
        &mut table,
    );
    let Some(length) = complete(status, buffer, limits)? else {
        return Ok(None);
    };
    let base = buffer.as_ptr() as usize;
    let spare = spans(parsed.headers, base, limits, Place::of(length))?;
    check_line_ends(&buffer[..length], &spare.0)?;
    let (Some(status), Some(minor)) = (parsed.code, parsed.version) else {
        return Err(HeadError::Malformed("the status line"));
    };
    if !(100..1000).contains(&status) {
        return Err(HeadError::Malformed("the status"));
    }
    let reason = kept_reason(parsed.reason, names);
    let mut headers = take_block(buffer, length, spare, names);
    let field_bytes = headers.line_lengths();
    if let (Some(written), Some(reason)) = (&mut headers.written, reason) {
        written.reason = reason;
    }
    let mut head = ResponseHead {
        status,
        version: version(minor),
        headers,
    };
    let connection = fields::read(&head.headers)?;
    if connection.chunked && head.version == Version::Http10 {
        return Err(HeadError::Framing("Transfer-Encoding in HTTP/1.0"));
    }
    // RFC 9110 section 8.6: a reader that believes it would wait for bytes of the final answer.
    if head.is_informational() && (connection.chunked || connection.length.is_some()) {
        return Err(HeadError::Framing("content of an interim answer"));
    }
    if matches!(head.status, 101 | 204) {
        // RFC 9110 section 8.6: they have none.
        head.headers.remove("content-length");
    }
    if head.status == 101 {
        // RFC 9112 section 6.1, and what follows is no longer HTTP.
        head.headers.remove("transfer-encoding");
    }
    let framing = response_framing(&head, request, &connection);
    if status != 101 {
        fields::remove_hop_by_hop(&mut head.headers);
    }
    let http10 = head.version == Version::Http10;
    Ok(Some(IncomingResponse {
        keep_alive: !connection.close
            && (!http10 || connection.keep_alive)
            && framing != Framing::UntilClose,
        head,
        framing,
        field_bytes,
    }))
}

/// The words behind a status, where they are kept.
fn kept_reason(reason: Option<&str>, names: NameCase) -> Option<Box<[u8]>> {
    let keeps = names.keeping().is_some_and(|keeping| keeping.reason);
    reason
        .filter(|_| keeps)
        .map(|reason| reason.as_bytes().into())
}

/// RFC 9112 section 6.3.
fn response_framing(
    head: &ResponseHead,
    request: &Method,
    connection: &fields::ConnectionFields,
) -> Framing {
    let tunnel = head.status == 101 || (*request == Method::CONNECT && head.status / 100 == 2);
    if tunnel {
        return Framing::UntilClose;
    }
    if *request == Method::HEAD || matches!(head.status, 100..200 | 204 | 304) {
        return Framing::None;
    }
    match (connection.chunked, connection.length) {
        (true, _) => Framing::Chunked,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::UntilClose,
    }
}

/// RFC 9112 section 2.2: a client may send an empty line between requests. They are taken with the
/// head that follows, so that their number is known however they come.
fn check_empty_lines(buffer: &[u8]) -> Result<(), HeadError> {
    let lines = buffer.chunks(2).take_while(|line| *line == b"\r\n");
    if lines.take(9).count() > 8 {
        return Err(HeadError::Malformed("nothing but empty lines"));
    }
    Ok(())
}

/// The length of a complete head; `None` when more has to be read.
fn complete(
    status: httparse::Result<usize>,
    buffer: &[u8],
    limits: &Limits,
) -> Result<Option<usize>, HeadError> {
    let length = match status {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if buffer.len() > limits.bytes => {
            return Err(HeadError::TooLarge);
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyFields),
        Err(httparse::Error::Version) if names_other_version(buffer) => {
            return Err(HeadError::Version);
        }
        Err(error) => return Err(HeadError::Malformed(reason(error))),
    };
    if length > limits.bytes {
        return Err(HeadError::TooLarge);
    }
    Ok(Some(length))
}

/// httparse takes a bare LF for a line ending; other readers do not. Lines end before each name, at
/// the end, and in the empty lines at the beginning; no token contains one.
fn check_line_ends(head: &[u8], entries: &[Entry]) -> Result<(), HeadError> {
    const END: &[u8] = b"\r\n";
    let empty = head.iter().take_while(|byte| END.contains(byte)).count();
    let good = head[..empty].chunks(2).all(|line| line == END)
        && head.ends_with(b"\r\n\r\n")
        && entries.iter().all(|entry| entry.name.follows(END, head));
    if good {
        Ok(())
    } else {
        Err(HeadError::Malformed("a line that ends without CR"))
    }
}

/// Whether a request line ends in a well-formed version, which then is none of ours.
fn names_other_version(buffer: &[u8]) -> bool {
    let line = buffer.split(|byte| *byte == b'\r').next();
    let mut words = line.unwrap_or_default().split(|byte| *byte == b' ');
    let version = words.nth(2).unwrap_or_default();
    let digits = |major: &u8, minor: &u8| major.is_ascii_digit() && minor.is_ascii_digit();
    words.next().is_none()
        && matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if digits(major, minor))
}

fn reason(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "a field name",
        httparse::Error::HeaderValue => "a field value",
        httparse::Error::NewLine => "a line ending",
        httparse::Error::Status => "the status",
        httparse::Error::Token => "the method or target",
        httparse::Error::Version => "the version",
        httparse::Error::TooManyHeaders => "too many fields",
    }
}

/// The places of all names and values, relative to `base`, and a side buffer to go with them.
fn spans(
    headers: &[httparse::Header<'_>],
    base: usize,
    limits: &Limits,
    place: Place,
) -> Result<(Vec<Entry>, Vec<u8>), HeadError> {
    if headers.len() > limits.fields {
        return Err(HeadError::TooManyFields);
    }
    let (mut entries, extra) = spare_fields::take();
    for header in headers {
        let value = header.value.trim_ascii();
        // An empty value may point nowhere in the block.
        let value = if value.is_empty() {
            Span::default()
        } else {
            place.span(value.as_ptr() as usize - base, value.len())
        };
        entries.push(Entry {
            name: place.span(header.name.as_ptr() as usize - base, header.name.len()),
            value,
        });
    }
    Ok((entries, extra))
}

/// Where the parts of a head will be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a copy. The buffer that the head was read into is whole again, and the next connection of
    /// the thread reads into the same few lines of the processor's cache.
    Copied,
    /// In the memory that it was read into.
    Shared,
}

impl Place {
    fn of(length: usize) -> Self {
        if length <= COPIED {
            Self::Copied
        } else {
            Self::Shared
        }
    }

    /// The part that begins there in the head and is so long.
    fn span(self, start: usize, len: usize) -> Span {
        match self {
            Self::Copied => Span::of_extra(start, len),
            Self::Shared => Span::of_block(start, len),
        }
    }
}

/// Takes the head off the buffer and makes its names lower case.
fn take_block(
    buffer: &mut BytesMut,
    length: usize,
    (entries, mut extra): (Vec<Entry>, Vec<u8>),
    names: NameCase,
) -> Headers {
    let mut block = BytesMut::new();
    let head: &mut [u8] = if Place::of(length) == Place::Copied {
        extra.extend_from_slice(&buffer[..length]);
        buffer.advance(length);
        &mut extra
    } else {
        block = buffer.split_to(length);
        &mut block
    };
    let written = names.keeping().map(|keeping| {
        let names = entries.iter().map(|entry| entry.name.of(head));
        Box::new(Written::of(names, keeping))
    });
    for entry in &entries {
        entry.name.lower_case(head);
    }
    let mut headers = Headers::from_block(block.freeze(), entries, extra);
    headers.written = written;
    headers
}

fn version(minor: u8) -> Version {
    if minor == 0 {
        Version::Http10
    } else {
        Version::Http11
    }
}

#[cfg(test)]
mod tests;
