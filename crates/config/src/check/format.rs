//! Texts with `%OPERATORS%`, and hashes of certificates: what a proxy would refuse to compile.

type Verdict = Result<(), String>;

/// The operators that both our proxy and Envoy fill in.
const OPERATORS: [&str; 118] = [
    "START_TIME",
    "REQ",
    "REQ_WITHOUT_QUERY",
    "RESP",
    "TRAILER",
    "ENVIRONMENT",
    "DYNAMIC_METADATA",
    "CLUSTER_METADATA",
    "UPSTREAM_METADATA",
    "METADATA",
    "FILTER_STATE",
    "UPSTREAM_FILTER_STATE",
    "PROTOCOL",
    "RESPONSE_CODE",
    "RESPONSE_CODE_DETAILS",
    "RESPONSE_FLAGS",
    "RESPONSE_FLAGS_LONG",
    "CONNECTION_TERMINATION_DETAILS",
    "UPSTREAM_TRANSPORT_FAILURE_REASON",
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
    "BYTES_RECEIVED",
    "BYTES_SENT",
    "DURATION",
    "REQUEST_DURATION",
    "RESPONSE_DURATION",
    "RESPONSE_TX_DURATION",
    "UPSTREAM_HOST",
    "UPSTREAM_CLUSTER",
    "UPSTREAM_CLUSTER_RAW",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "REQUESTED_SERVER_NAME",
    "ROUTE_NAME",
    "FILTER_CHAIN_NAME",
    "CONNECTION_ID",
    "STREAM_ID",
    "HOSTNAME",
    "DOWNSTREAM_TLS_VERSION",
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_SUBJECT",
    "UPSTREAM_PEER_URI_SAN",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_PORT",
    "EMIT_TIME",
    "REQUEST_HEADER",
    "RESPONSE_HEADER",
    "RESPONSE_TRAILER",
    "QUERY_PARAM",
    "QUERY_PARAMS",
    "PATH",
    "UPSTREAM_PROTOCOL",
    "REQUEST_HEADERS_BYTES",
    "RESPONSE_HEADERS_BYTES",
    "RESPONSE_TRAILERS_BYTES",
    "COMMON_DURATION",
    "REQUEST_TX_DURATION",
    "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "UPSTREAM_HOST_NAME",
    "UPSTREAM_HOST_NAME_WITHOUT_PORT",
    "UPSTREAM_HOSTS_ATTEMPTED",
    "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_HOST_NAMES_ATTEMPTED",
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT",
    "GRPC_STATUS",
    "GRPC_STATUS_NUMBER",
    "ACCESS_LOG_TYPE",
    "TRACE_ID",
    "SPAN_ID",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_TLS_GROUP",
    "DOWNSTREAM_PEER_DNS_SAN",
    "DOWNSTREAM_PEER_IP_SAN",
    "DOWNSTREAM_PEER_EMAIL_SAN",
    "DOWNSTREAM_PEER_ISSUER",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_CHAIN_SERIALS",
    "DOWNSTREAM_PEER_CERT",
    "DOWNSTREAM_PEER_CERT_V_START",
    "DOWNSTREAM_PEER_CERT_V_END",
    "DOWNSTREAM_LOCAL_DNS_SAN",
    "DOWNSTREAM_LOCAL_IP_SAN",
    "DOWNSTREAM_LOCAL_EMAIL_SAN",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "UPSTREAM_TLS_VERSION",
    "UPSTREAM_TLS_CIPHER",
    "UPSTREAM_TLS_GROUP",
    "UPSTREAM_SERVER_NAME",
    "UPSTREAM_PEER_DNS_SAN",
    "UPSTREAM_PEER_IP_SAN",
    "UPSTREAM_PEER_SUBJECT",
    "UPSTREAM_PEER_ISSUER",
    "UPSTREAM_PEER_CERT",
    "UPSTREAM_PEER_CERT_V_START",
    "UPSTREAM_PEER_CERT_V_END",
    "START_TIME_LOCAL",
    "EMIT_TIME_LOCAL",
    "LISTENER_NAME",
    "UNIQUE_ID",
    "CUSTOM_FLAGS",
    "UPSTREAM_CONNECTION_ID",
    "DOWNSTREAM_HANDSHAKE_DURATION",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_LOCAL_PORT",
    "DOWNSTREAM_PEER_ISSUER_SERIAL",
    "DOWNSTREAM_PEER_OTHERNAME_SAN",
    "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_FINGERPRINT_1",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
    "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
];

/// The value of a header that is set: operators are closed and known, and no byte would end the
/// header.
pub(crate) fn header_value(text: &str) -> Verdict {
    if text.contains(['\0', '\r', '\n']) {
        return Err(format!(
            "Invalid value: {text:?}: must not contain NUL, CR or LF"
        ));
    }
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        if let Some(unescaped) = after.strip_prefix('%') {
            rest = unescaped;
            continue;
        }
        let length = operator(after).ok_or_else(|| {
            format!(
                "Invalid value: \"{text}\": a percent sign begins an operator such as \
                 %REQ(x-user)% that is closed and known; write %% for a percent sign"
            )
        })?;
        rest = &after[length..];
    }
    Ok(())
}

/// The length of an operator without its first percent sign.
fn operator(text: &str) -> Option<usize> {
    let of_name =
        |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    let name = text.find(|letter: char| !of_name(letter))?;
    if !OPERATORS.contains(&&text[..name]) {
        return None;
    }
    let mut rest = &text[name..];
    let takes_argument = rest.starts_with('(');
    if takes_argument {
        let (argument, after) = rest[1..].split_once(')')?;
        if argument.is_empty() {
            return None;
        }
        rest = after;
    }
    let needs = [
        "REQ",
        "REQ_WITHOUT_QUERY",
        "REQUEST_HEADER",
        "RESP",
        "RESPONSE_HEADER",
        "TRAILER",
        "RESPONSE_TRAILER",
        "ENVIRONMENT",
        "QUERY_PARAM",
        "COMMON_DURATION",
    ];
    if needs.contains(&&text[..name]) && !takes_argument {
        return None;
    }
    if let Some(limit) = rest.strip_prefix(':') {
        rest = limit.trim_start_matches(|digit: char| digit.is_ascii_digit());
        if rest.len() == limit.len() {
            return None;
        }
    }
    let after = rest.strip_prefix('%')?;
    Some(text.len() - after.len())
}

/// A SHA-256 hash in hexadecimal digits, with or without colons between its bytes.
pub(crate) fn hexadecimal_hash(text: &str) -> Verdict {
    let whole = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut parts = text.split(':');
    let byte = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if whole || (text.len() == 95 && parts.all(byte)) {
        return Ok(());
    }
    Err(format!(
        "Invalid value: \"{text}\": must be a SHA-256 hash, 64 hexadecimal digits"
    ))
}

/// A SHA-256 hash in base64.
pub(crate) fn base64_hash(text: &str) -> Verdict {
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let good = text.len() == 44
        && text.strip_suffix('=').is_some_and(|digits| {
            // The last digit carries four bits of the hash and two that are zero.
            digits.bytes().all(digit)
                && digits.ends_with(|last: char| "AEIMQUYcgkosw048".contains(last))
        });
    if good {
        return Ok(());
    }
    Err(format!(
        "Invalid value: \"{text}\": must be a SHA-256 hash in base64, 44 characters"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_in_values_are_closed_and_known() {
        for good in [
            "",
            "plain",
            "100%%",
            "%REQ(x-user)%",
            "a %REQ(:path?x):12% b",
            "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%%%",
            "%START_TIME%",
            "%DOWNSTREAM_PEER_FINGERPRINT_256%",
        ] {
            assert_eq!(header_value(good), Ok(()), "{good}");
        }
        for bad in [
            "%",
            "100%",
            "%NOPE%",
            "%REQ%",
            "%REQ()%",
            "%REQ(a%",
            "%DURATION:x%",
            "%REQ(a)",
            "a\nb",
            "%%%",
        ] {
            assert!(header_value(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hashes_have_their_length_and_digits() {
        let hex = "df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1a";
        assert_eq!(hexadecimal_hash(hex), Ok(()));
        assert_eq!(hexadecimal_hash(&["ab"; 32].join(":")), Ok(()));
        assert!(hexadecimal_hash("abc").is_err());
        let base64 = "NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=";
        assert_eq!(base64_hash(base64), Ok(()));
        assert!(base64_hash("abc").is_err());
    }
}
