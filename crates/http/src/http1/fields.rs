//! Fields that belong to the connection and the framing, not to the message (RFC 9110 section 7.6).

use super::error::HeadError;
use crate::headers::Headers;

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
    /// `Connection: upgrade` together with `Upgrade`: where its value is.
    pub(crate) upgrade: bool,
}

/// Reads the fields; refuses what two readers could understand differently.
pub(crate) fn read(headers: &Headers) -> Result<ConnectionFields, HeadError> {
    let mut fields = ConnectionFields::default();
    let mut transfer_codings = 0;
    let mut upgrade_value = false;
    for (name, value) in headers.iter() {
        match name {
            b"content-length" => {
                if fields.length.is_some() {
                    return Err(HeadError::Framing("more than one Content-Length"));
                }
                fields.length = Some(content_length(value)?);
            }
            b"transfer-encoding" => {
                transfer_codings += 1;
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(HeadError::Framing("a transfer coding other than chunked"));
                }
                fields.chunked = true;
            }
            b"connection" => read_connection(value, &mut fields),
            b"upgrade" => upgrade_value = !value.is_empty(),
            _ => {}
        }
    }
    if transfer_codings > 1 {
        return Err(HeadError::Framing("more than one Transfer-Encoding"));
    }
    if fields.chunked && fields.length.is_some() {
        return Err(HeadError::Framing(
            "Transfer-Encoding beside Content-Length",
        ));
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

fn read_connection(value: &[u8], fields: &mut ConnectionFields) {
    for option in value.split(|byte| *byte == b',') {
        let option = option.trim_ascii();
        if option.eq_ignore_ascii_case(b"close") {
            fields.close = true;
        } else if option.eq_ignore_ascii_case(b"keep-alive") {
            fields.keep_alive = true;
        } else if option.eq_ignore_ascii_case(b"upgrade") {
            fields.upgrade = true;
        }
    }
}

/// Takes out what belongs to one connection, named by `Connection` or by RFC 9110. Content-Length
/// stays: it describes the message too. `TE` stays when it says `trailers`, which gRPC needs.
pub(crate) fn remove_hop_by_hop(headers: &mut Headers) {
    let listed = listed_by_connection(headers);
    headers.retain(|name, value| match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade"
        | b"http2-settings" => false,
        b"te" => value
            .split(|byte| *byte == b',')
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(b"trailers")),
        _ => !listed.iter().any(|option| option == name),
    });
}

/// Names that `Connection` lists besides its own options; most messages have none.
fn listed_by_connection(headers: &Headers) -> Vec<Vec<u8>> {
    headers
        .all("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(|option| option.trim_ascii().to_ascii_lowercase())
        .filter(|option| {
            // Fields that carry the meaning of the message cannot be taken out by naming them.
            let keep = [
                "close",
                "keep-alive",
                "upgrade",
                "te",
                "content-length",
                "host",
                "",
            ];
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
            assert!(matches!(error, HeadError::Framing(_)), "{fields:?}");
        }
    }

    #[test]
    fn fields_of_the_connection_stay_behind() {
        let mut headers = headers(&[
            ("connection", "close, X-Internal, x-forwarded-for"),
            ("x-internal", "1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("te", "trailers, deflate"),
            ("keep-alive", "5"),
            ("accept", "*/*"),
        ]);
        remove_hop_by_hop(&mut headers);
        let names: Vec<_> = headers.iter().map(|(name, _)| name.to_vec()).collect();
        assert_eq!(names, [&b"x-forwarded-for"[..], b"te", b"accept"]);
    }
}
