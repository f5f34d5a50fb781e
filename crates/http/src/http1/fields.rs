//! Fields that belong to the connection and the framing, not to the message (RFC 9110 section 7.6).

use super::error::HeadError;
use crate::headers::Headers;
use crate::name_filter::NameFilter;

/// The names that [`read`] looks at.
const READ: NameFilter = NameFilter::of(&[
    "content-length",
    "transfer-encoding",
    "connection",
    "proxy-connection",
    "upgrade",
]);

/// The names that [`remove_hop_by_hop`] looks at.
const HOP_BY_HOP: NameFilter = NameFilter::of(&[
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "te",
]);

/// What the framing and connection fields of a head say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ConnectionFields {
    /// `Transfer-Encoding: chunked`.
    pub(crate) chunked: bool,
    /// `Content-Length`.
    pub(crate) length: Option<u64>,
    /// `Connection: close`.
    pub(crate) close: bool,
    /// `Connection: keep-alive`.
    pub(crate) keep_alive: bool,
    /// `Connection: upgrade` together with `Upgrade`.
    pub(crate) upgrade: bool,
    /// Options of `Connection` so far.
    options: u8,
}

/// Reads the fields; refuses what two readers could understand differently.
pub(crate) fn read(headers: &Headers) -> Result<ConnectionFields, HeadError> {
    let mut fields = ConnectionFields::default();
    if !headers.may_have(READ) {
        return Ok(fields);
    }
    let (mut upgrade_value, mut unknown) = (false, false);
    for (name, value) in headers.iter() {
        match name {
            b"content-length" => {
                if fields.length.is_some() {
                    return Err(HeadError::Framing("more than one Content-Length"));
                }
                fields.length = Some(content_length(value)?);
            }
            b"transfer-encoding" => {
                unknown |= fields.chunked || !value.eq_ignore_ascii_case(b"chunked");
                fields.chunked = true;
            }
            b"connection" => read_connection(value, &mut fields)?,
            // RFC 9112 appendix C.2.2: said by clients that mistake us for an old proxy.
            b"proxy-connection" => fields.close |= value.eq_ignore_ascii_case(b"close"),
            // An upgrade to HTTP/2 in the clear is not offered (RFC 9113 section 3.1).
            b"upgrade" => {
                upgrade_value = !value.is_empty() && !value.eq_ignore_ascii_case(b"h2c");
            }
            _ => {}
        }
    }
    if fields.chunked && fields.length.is_some() {
        return Err(HeadError::TwoFramings);
    }
    if unknown {
        return Err(HeadError::Coding);
    }
    fields.upgrade &= upgrade_value;
    Ok(fields)
}

fn content_length(value: &[u8]) -> Result<u64, HeadError> {
    const WRONG: HeadError = HeadError::Framing("a Content-Length that is not a number");
    // RFC 9110 section 8.6: digits only, no sign.
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(WRONG);
    }
    let text = std::str::from_utf8(value).map_err(|_| WRONG)?;
    text.parse().map_err(|_| WRONG)
}

/// Options of `Connection` that are looked at. Each is compared with every field, so that a long
/// list would cost much; Envoy's number.
const MOST_OPTIONS: u8 = 10;

/// Fields that say where a request comes from and goes to: a client that could have them taken out
/// would hide it (RFC 9110 section 7.6.1 forbids to name them).
const MEANT_FOR_ALL: [&[u8]; 4] = [
    b"host",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
];

fn read_connection(value: &[u8], fields: &mut ConnectionFields) -> Result<(), HeadError> {
    for option in value.split(|byte| *byte == b',') {
        let option = option.trim_ascii();
        fields.options += 1;
        let forbidden = MEANT_FOR_ALL
            .iter()
            .any(|name| option.eq_ignore_ascii_case(name));
        if forbidden || fields.options > MOST_OPTIONS {
            return Err(HeadError::Connection);
        }
        if option.eq_ignore_ascii_case(b"close") {
            fields.close = true;
        } else if option.eq_ignore_ascii_case(b"keep-alive") {
            fields.keep_alive = true;
        } else if option.eq_ignore_ascii_case(b"upgrade") {
            fields.upgrade = true;
        }
    }
    Ok(())
}

/// Takes out what belongs to one connection, named by `Connection` or by RFC 9110. Content-Length
/// stays: it describes the message too. `TE` stays when it says `trailers`, which gRPC needs.
pub(crate) fn remove_hop_by_hop(headers: &mut Headers) {
    if !headers.may_have(HOP_BY_HOP) {
        return;
    }
    let listed = listed_by_connection(headers);
    headers.retain(|name, value| match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade"
        | b"http2-settings" => false,
        b"te" => value
            .split(|byte| *byte == b',')
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(b"trailers")),
        _ => !listed.iter().any(|option| option == name),
    });
    // The codings beside it are the client's business with us.
    if headers.find("te").is_some_and(|te| te != b"trailers") {
        headers.set("te", "trailers");
    }
}

/// Names that `Connection` lists besides its own options; most messages have none.
fn listed_by_connection(headers: &Headers) -> Vec<Vec<u8>> {
    headers
        .all("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(|option| option.trim_ascii().to_ascii_lowercase())
        .filter(|option| {
            // Fields that carry the meaning of the message cannot be taken out by naming them.
            let keep = ["close", "keep-alive", "upgrade", "te", "content-length", ""];
            let forwarded = option.starts_with(b"x-forwarded-") || option.starts_with(b"x-envoy-");
            !forwarded && !keep.iter().any(|word| word.as_bytes() == option.as_slice())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        for fields in [
            &[("content-length", "1"), ("content-length", "1")][..],
            &[("content-length", "1"), ("content-length", "2")],
            &[("content-length", "1"), ("transfer-encoding", "chunked")],
            &[
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "chunked"),
            ],
            &[("transfer-encoding", "gzip, chunked")],
            &[("transfer-encoding", "xchunked")],
            &[("transfer-encoding", "")],
            &[("content-length", "+1")],
            &[("content-length", "-1")],
            &[("content-length", "1, 1")],
            &[("content-length", "0x1")],
            &[("content-length", "")],
            &[("content-length", "99999999999999999999")],
        ] {
            let error = read(&headers(fields)).expect_err("ambiguous");
            let ambiguous = matches!(
                error,
                HeadError::Framing(_) | HeadError::TwoFramings | HeadError::Coding
            );
            assert!(ambiguous, "{fields:?}");
        }
    }

    #[test]
    fn fields_of_the_connection_stay_behind() {
        let mut headers = headers(&[
            ("connection", "close, X-Internal, x-envoy-attempt-count"),
            ("x-internal", "1"),
            ("x-envoy-attempt-count", "1"),
            ("te", "trailers, deflate"),
            ("keep-alive", "5"),
            ("accept", "*/*"),
        ]);
        remove_hop_by_hop(&mut headers);
        let names: Vec<_> = headers.iter().map(|(name, _)| name.to_vec()).collect();
        assert_eq!(names, [&b"x-envoy-attempt-count"[..], b"te", b"accept"]);
    }

    #[test]
    fn connection_cannot_name_what_is_meant_for_all_nor_a_long_list() {
        let long = (0..11)
            .map(|n| format!("x-{n}"))
            .collect::<Vec<_>>()
            .join(",");
        for value in ["X-Forwarded-For", "close, x-forwarded-proto", long.as_str()] {
            let error = read(&headers(&[("connection", value)])).expect_err(value);
            assert_eq!(error, HeadError::Connection);
        }
        read(&headers(&[("connection", "close, x-1, x-2")])).expect("a short list");
    }
}
