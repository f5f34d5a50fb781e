//! RFC 9112 (and what we add to it) written down line by line, without regard to speed: the reading
//! that the parser must agree with.

/// A message that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The method, or the status.
    pub(crate) start: String,
    /// The authority of a request.
    pub(crate) host: Vec<u8>,
    /// Fields that are left when those of the connection and Host are taken out; TE counts once.
    pub(crate) fields: usize,
    pub(crate) body: Vec<u8>,
    /// Trailers that are passed on.
    pub(crate) trailers: usize,
    /// What follows.
    pub(crate) rest: Vec<u8>,
}

type Field = (Vec<u8>, Vec<u8>);

/// Our bound, with the line end.
const LONGEST_CHUNK_HEADER: usize = 4096;

/// A request, if it is one.
pub(crate) fn request(mut bytes: &[u8]) -> Option<Reading> {
    for _ in 0..8 {
        bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    }
    let (line, fields, rest) = head(bytes)?;
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else {
        return None;
    };
    let http10 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return None,
    };
    let connect = method == b"CONNECT";
    if !is_token(method) || !target.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let named = authority_of_target(method, target)?;
    let hosts: Vec<&Field> = fields.iter().filter(|field| field.0 == b"host").collect();
    if hosts.len() > 1 || (named.is_some() && hosts.is_empty() && !http10) {
        return None;
    }
    let host = hosts.first().map(|host| host.1.clone()).unwrap_or_default();
    if !is_authority(&host, false) {
        return None;
    }
    let framing = framing(&fields, http10)?;
    if connect && matches!(framing, Framed::Chunked | Framed::Length(1..)) {
        return None;
    }
    let framing = match framing {
        _ if connect => Framed::ToTheEnd,
        Framed::Untold => Framed::Length(0),
        framing => framing,
    };
    let (body, trailers, rest) = body(framing, rest)?;
    Some(Reading {
        start: String::from_utf8_lossy(method).into_owned(),
        host: named.unwrap_or(host),
        fields: left(&fields) - hosts.len(),
        body,
        trailers,
        rest,
    })
}

/// An answer to GET, if it is one.
pub(crate) fn answer(mut bytes: &[u8]) -> Option<Reading> {
    // RFC 9112 section 2.2 lets a server skip them; `httparse` does it for both sides.
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        bytes = rest;
    }
    let (line, mut fields, rest) = head(bytes)?;
    let http10 = match line.get(..9)? {
        b"HTTP/1.1 " => false,
        b"HTTP/1.0 " => true,
        _ => return None,
    };
    let (status, reason) = (line.get(9..12)?, &line[12..]);
    let is_reason = reason.is_empty() || (reason[0] == b' ' && is_value(reason));
    if !status.iter().all(u8::is_ascii_digit) || status[0] == b'0' || !is_reason {
        return None;
    }
    let status = String::from_utf8_lossy(status).into_owned();
    let framed = framing(&fields, http10)?;
    // RFC 9110 section 8.6 and RFC 9112 section 6.1: these have no framing.
    if matches!(status.as_str(), "101" | "204") {
        fields.retain(|field| field.0 != b"content-length");
    }
    if status == "101" {
        fields.retain(|field| field.0 != b"transfer-encoding");
    }
    let interim = status.starts_with('1') && status != "101";
    if interim && !matches!(framed, Framed::Untold) {
        return None;
    }
    let framing = match (framed, status.as_str()) {
        // RFC 9112 section 6.3: whatever they say. What follows 101 is no longer HTTP.
        (_, "204" | "304") => Framed::Length(0),
        (_, "101") => Framed::ToTheEnd,
        _ if interim => Framed::Length(0),
        (Framed::Untold, _) => Framed::ToTheEnd,
        (framing, _) => framing,
    };
    // The fields of an upgrade are for both ends of it.
    let fields = if status == "101" {
        let te = |field: &&Field| field.0 == b"te";
        fields.len() - fields.iter().filter(te).skip(1).count()
    } else {
        left(&fields)
    };
    let (body, trailers, rest) = body(framing, rest)?;
    Some(Reading {
        start: status,
        host: Vec::new(),
        fields,
        body,
        trailers,
        rest,
    })
}

/// First line, fields, and what follows the head.
fn head(bytes: &[u8]) -> Option<(&[u8], Vec<Field>, &[u8])> {
    let (line, rest) = line(bytes)?;
    let (fields, rest) = self::fields(rest)?;
    Some((line, fields, rest))
}

/// A line that ends in CRLF and has no other CR or LF.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = bytes[..end].strip_suffix(b"\r")?;
    (!line.contains(&b'\r')).then_some((line, &bytes[end + 1..]))
}

fn fields(mut bytes: &[u8]) -> Option<(Vec<Field>, &[u8])> {
    let mut fields = Vec::new();
    loop {
        let (line, rest) = line(bytes)?;
        bytes = rest;
        if line.is_empty() {
            return (fields.len() <= 100).then_some((fields, bytes));
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) || !is_value(value) {
            return None;
        }
        fields.push((name.to_ascii_lowercase(), value.trim_ascii().to_vec()));
    }
}

fn is_token(text: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_tchar)
}

fn is_value(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..))
}

/// The authority that a target names, if its form does; nothing at all when it has no form.
#[allow(clippy::option_option)]
fn authority_of_target(method: &[u8], target: &[u8]) -> Option<Option<Vec<u8>>> {
    if method == b"CONNECT" {
        return is_authority(target, true).then(|| Some(target.to_vec()));
    }
    match target {
        [b'/', ..] => return Some(None),
        b"*" => return (method == b"OPTIONS").then_some(None),
        _ => {}
    }
    let lower = target.to_ascii_lowercase();
    let length = if lower.starts_with(b"http://") {
        7
    } else if lower.starts_with(b"https://") {
        8
    } else {
        return None;
    };
    let rest = &target[length..];
    let end = rest.iter().position(|byte| b"/?#".contains(byte));
    let authority = &rest[..end.unwrap_or(rest.len())];
    (!authority.is_empty() && is_authority(authority, false)).then(|| Some(authority.to_vec()))
}

fn is_authority(text: &[u8], with_port: bool) -> bool {
    let text = String::from_utf8_lossy(text);
    let bracket = text.starts_with('[');
    let (host, port) = match text.rfind(':') {
        Some(colon) if !bracket || text[colon..].find(']').is_none() => {
            (&text[..colon], Some(&text[colon + 1..]))
        }
        _ => (&*text, None),
    };
    let in_name = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=".contains(c);
    let good_host = if bracket {
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        inner
            .is_some_and(|inner| !inner.is_empty() && inner.chars().all(|c| in_name(c) || c == ':'))
    } else {
        host.chars().all(in_name)
    };
    let good_port = match port {
        Some(port) => port.chars().all(|c| c.is_ascii_digit()) && !(with_port && port.is_empty()),
        None => !with_port,
    };
    good_host && good_port && !(with_port && host.is_empty())
}

enum Framed {
    Untold,
    Length(usize),
    Chunked,
    ToTheEnd,
}

fn framing(fields: &[Field], http10: bool) -> Option<Framed> {
    let all = |name: &[u8]| -> Vec<&[u8]> {
        let found = fields.iter().filter(|field| field.0 == name);
        found.map(|field| field.1.as_slice()).collect()
    };
    let options: Vec<Vec<u8>> = all(b"connection")
        .iter()
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(|option| option.trim_ascii().to_ascii_lowercase())
        .collect();
    let hiding = |option: &Vec<u8>| {
        [
            "host",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
        ]
        .iter()
        .any(|name| name.as_bytes() == option.as_slice())
    };
    if options.len() > 10 || options.iter().any(hiding) {
        return None;
    }
    let (lengths, codings) = (all(b"content-length"), all(b"transfer-encoding"));
    match (&lengths[..], &codings[..]) {
        ([], []) => Some(Framed::Untold),
        ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            let length: u64 = std::str::from_utf8(length).ok()?.parse().ok()?;
            Some(Framed::Length(usize::try_from(length).ok()?))
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && !http10 => {
            Some(Framed::Chunked)
        }
        _ => None,
    }
}

type Body = (Vec<u8>, usize, Vec<u8>);

fn body(framing: Framed, bytes: &[u8]) -> Option<Body> {
    match framing {
        Framed::Length(length) => {
            let body = bytes.get(..length)?.to_vec();
            Some((body, 0, bytes[length..].to_vec()))
        }
        Framed::Chunked => chunks(bytes),
        Framed::ToTheEnd | Framed::Untold => Some((bytes.to_vec(), 0, Vec::new())),
    }
}

fn chunks(mut bytes: &[u8]) -> Option<Body> {
    let mut body = Vec::new();
    loop {
        let (header, rest) = line(bytes)?;
        let digits = header
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let extension = &header[digits..];
        let begins = extension.trim_ascii_start();
        // RFC 9112 section 7.1.1: only an extension may follow, after white space.
        let good = matches!(begins.first(), None | Some(b';'))
            && extension.iter().all(|byte| matches!(byte, b'\t' | b' '..))
            && quotes_close(extension);
        if digits == 0 || digits > 15 || header.len() + 2 > LONGEST_CHUNK_HEADER || !good {
            return None;
        }
        let size = std::str::from_utf8(&header[..digits]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            let (trailers, rest) = fields(rest)?;
            let kept = trailers.iter().filter(|field| {
                let framing: [&[u8]; 5] = [
                    b"content-length",
                    b"transfer-encoding",
                    b"host",
                    b"connection",
                    b"te",
                ];
                !framing.contains(&field.0.as_slice())
            });
            return Some((body, kept.count(), rest.to_vec()));
        }
        body.extend_from_slice(rest.get(..size)?);
        bytes = rest[size..].strip_prefix(b"\r\n")?;
    }
}

/// Whether each quoted value ends: the text outside of them holds no quote.
fn quotes_close(text: &[u8]) -> bool {
    let Some(open) = text.iter().position(|byte| *byte == b'"') else {
        return true;
    };
    let mut rest = &text[open + 1..];
    loop {
        rest = match rest {
            [] | [b'\\'] => return false,
            [b'"', after @ ..] => return quotes_close(after),
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
        };
    }
}

/// How many fields are passed on.
fn left(fields: &[Field]) -> usize {
    let listed: Vec<Vec<u8>> = fields
        .iter()
        .filter(|field| field.0 == b"connection")
        .flat_map(|field| field.1.split(|byte| *byte == b','))
        .map(|option| option.trim_ascii().to_ascii_lowercase())
        .collect();
    let passes = |field: &&Field| match field.0.as_slice() {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade"
        | b"http2-settings" | b"te" => false,
        // Those that carry the meaning of the message cannot be taken out by naming them.
        b"close" | b"content-length" => true,
        name if name.starts_with(b"x-forwarded-") || name.starts_with(b"x-envoy-") => true,
        name => !listed.iter().any(|option| option == name),
    };
    let trailers = |part: &[u8]| part.trim_ascii().eq_ignore_ascii_case(b"trailers");
    let said = |field: &Field| field.1.split(|byte| *byte == b',').any(trailers);
    let te = fields.iter().any(|field| field.0 == b"te" && said(field));
    fields.iter().filter(passes).count() + usize::from(te)
}
