//! Operators by their names and arguments.

use ferromesh_types::Str;

use super::operator::{
    AddressOf, AddressPart, CertificateField, CertificateOf, DurationUnit, GrpcStatusForm,
    HeadPart, HostForm, NameSource, Operator, PathSource, Side, TimePoint, TlsField, WireBytes,
    WireDirection, WirePart,
};

/// What is wrong with an argument.
type Wrong = &'static str;

/// The operator of that name; `None` when there is none.
pub(super) fn operator(name: &str, argument: Option<&str>) -> Option<Result<Operator, Wrong>> {
    with_argument(name, argument.unwrap_or_default())
        .or_else(|| certificate_operator(name, argument).map(Ok))
        .or_else(|| address_operator(name, argument))
        .or_else(|| {
            let plain = plain_operator(name)
                .or_else(|| tls_operator(name))
                .or_else(|| wire_operator(name))?;
            Some(match argument {
                None | Some("") => Ok(plain),
                Some(_) => Err("it takes no argument"),
            })
        })
}

/// Operators that an argument belongs to.
fn with_argument(name: &str, text: &str) -> Option<Result<Operator, Wrong>> {
    Some(match name {
        "START_TIME" => Ok(Operator::StartTime(text.into())),
        "EMIT_TIME" => Ok(Operator::EmitTime(text.into())),
        "START_TIME_LOCAL" => Ok(Operator::LocalStartTime(text.into())),
        "EMIT_TIME_LOCAL" => Ok(Operator::LocalEmitTime(text.into())),
        "REQ" | "REQUEST_HEADER" => header(text, Operator::RequestHeader),
        "REQ_WITHOUT_QUERY" => header(text, Operator::RequestHeaderWithoutQuery),
        "RESP" | "RESPONSE_HEADER" => header(text, Operator::ResponseHeader),
        "TRAILER" | "RESPONSE_TRAILER" => header(text, Operator::ResponseTrailer),
        "QUERY_PARAM" if text.is_empty() => Err("the name of a parameter is needed"),
        "QUERY_PARAM" => Ok(Operator::QueryParameter(text.into())),
        "QUERY_PARAMS" => match text {
            "" | "ORIG" => Ok(Operator::Query { decoded: false }),
            "DECODED" => Ok(Operator::Query { decoded: true }),
            _ => Err("the form is ORIG or DECODED"),
        },
        "PATH" => path(text),
        "RESPONSE_CODE_DETAILS" => match text {
            "" => Ok(Operator::ResponseCodeDetails { with_spaces: false }),
            "ALLOW_WHITESPACES" => Ok(Operator::ResponseCodeDetails { with_spaces: true }),
            _ => Err("the only argument is ALLOW_WHITESPACES"),
        },
        "COMMON_DURATION" => between(text),
        "REQUESTED_SERVER_NAME" => requested_server_name(text),
        "ENVIRONMENT" if text.is_empty() => Err("a variable name is needed"),
        "ENVIRONMENT" => Ok(Operator::Environment(text.into())),
        "GRPC_STATUS" => match text {
            "" | "CAMEL_STRING" => Ok(Operator::GrpcStatus(GrpcStatusForm::Camel)),
            "SNAKE_STRING" => Ok(Operator::GrpcStatus(GrpcStatusForm::Snake)),
            "NUMBER" => Ok(Operator::GrpcStatusNumber),
            _ => Err("the form is CAMEL_STRING, SNAKE_STRING or NUMBER"),
        },
        "DYNAMIC_METADATA" => dynamic_metadata(text),
        "METADATA" => match text.strip_prefix("DYNAMIC:") {
            Some(rest) => dynamic_metadata(rest),
            None => Ok(Operator::Absent),
        },
        "CLUSTER_METADATA" | "UPSTREAM_METADATA" | "FILTER_STATE" | "UPSTREAM_FILTER_STATE" => {
            Ok(Operator::Absent)
        }
        _ => return None,
    })
}

fn header(names: &str, make: fn(Str, Option<Str>) -> Operator) -> Result<Operator, Wrong> {
    if names.is_empty() {
        return Err("a header name is needed");
    }
    let (first, second) = match names.split_once('?') {
        Some((first, second)) => (first, Some(second)),
        None => (names, None),
    };
    let lower = |name: &str| Str::from(name.to_ascii_lowercase());
    Ok(make(lower(first), second.map(lower)))
}

fn dynamic_metadata(text: &str) -> Result<Operator, Wrong> {
    let mut keys = text.split(':').map(Str::from);
    let namespace = keys.next().filter(|namespace| !namespace.is_empty());
    namespace
        .map(|namespace| Operator::DynamicMetadata(namespace, keys.collect()))
        .ok_or("a namespace is needed")
}

fn path(text: &str) -> Result<Operator, Wrong> {
    let (query, source) = text.split_once(':').unwrap_or((text, ""));
    let with_query = match query {
        "" | "WQ" => true,
        "NQ" => false,
        _ => return Err("the first argument is WQ or NQ"),
    };
    let source = match source {
        "ORIG" => PathSource::Original,
        "PATH" => PathSource::Current,
        "" | "ORIG_OR_PATH" => PathSource::OriginalOrCurrent,
        _ => return Err("the second argument is ORIG, PATH or ORIG_OR_PATH"),
    };
    Ok(Operator::Path { with_query, source })
}

fn requested_server_name(text: &str) -> Result<Operator, Wrong> {
    let (first, host) = text.split_once(':').unwrap_or((text, ""));
    let host = match host {
        "ORIG" => PathSource::Original,
        "HOST" => PathSource::Current,
        "" | "ORIG_OR_HOST" => PathSource::OriginalOrCurrent,
        _ => return Err("the second argument is ORIG, HOST or ORIG_OR_HOST"),
    };
    Ok(Operator::RequestedServerName(match first {
        "" | "SNI_ONLY" => NameSource::ServerName,
        "SNI_FIRST" => NameSource::ServerNameOrHost(host),
        "HOST_FIRST" => NameSource::Host(host),
        _ => return Err("the first argument is SNI_ONLY, SNI_FIRST or HOST_FIRST"),
    }))
}

fn between(text: &str) -> Result<Operator, Wrong> {
    let parts: Vec<&str> = text.split(':').collect();
    let [begin, end, unit] = parts[..] else {
        return Err("it takes two points in time and ms, us or ns");
    };
    let unit = match unit {
        "ms" => DurationUnit::Millis,
        "us" => DurationUnit::Micros,
        "ns" => DurationUnit::Nanos,
        _ => return Err("the unit is ms, us or ns"),
    };
    Ok(Operator::Between(
        time_point(begin)?,
        time_point(end)?,
        unit,
    ))
}

fn time_point(name: &str) -> Result<TimePoint, Wrong> {
    Ok(match name {
        "DS_RX_BEG" => TimePoint::RequestBegan,
        "DS_RX_END" => TimePoint::RequestEnded,
        "US_TX_BEG" => TimePoint::SendingBegan,
        "US_TX_END" => TimePoint::SendingEnded,
        "US_RX_BEG" => TimePoint::AnswerBegan,
        "DS_TX_BEG" => TimePoint::ReplyBegan,
        "DS_TX_END" => TimePoint::ReplyEnded,
        _ => {
            return Err(
                "the points in time are DS_RX_BEG, DS_RX_END, US_TX_BEG, US_TX_END, \
                        US_RX_BEG, DS_TX_BEG and DS_TX_END",
            );
        }
    })
}

fn plain_operator(name: &str) -> Option<Operator> {
    let host = |by_name, with_port| HostForm { by_name, with_port };
    let since_begin = |end| Operator::Between(TimePoint::RequestBegan, end, DurationUnit::Millis);
    Some(match name {
        "PROTOCOL" => Operator::Protocol,
        "UPSTREAM_PROTOCOL" => Operator::UpstreamProtocol,
        "RESPONSE_CODE" => Operator::ResponseCode,
        "RESPONSE_FLAGS" => Operator::ResponseFlags,
        "RESPONSE_FLAGS_LONG" => Operator::ResponseFlagsLong,
        "CONNECTION_TERMINATION_DETAILS" => Operator::ConnectionTerminationDetails,
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => Operator::UpstreamTransportFailureReason,
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON" => Operator::DownstreamTransportFailureReason,
        "BYTES_RECEIVED" => Operator::BytesReceived,
        "BYTES_SENT" => Operator::BytesSent,
        "BYTES_RETRANSMITTED" | "PACKETS_RETRANSMITTED" => Operator::OnlyQuic,
        "REQUEST_HEADERS_BYTES" => Operator::HeadBytes(HeadPart::Request),
        "RESPONSE_HEADERS_BYTES" => Operator::HeadBytes(HeadPart::Response),
        "RESPONSE_TRAILERS_BYTES" => Operator::HeadBytes(HeadPart::Trailers),
        "DURATION" => Operator::Duration,
        "REQUEST_DURATION" => Operator::RequestDuration,
        "REQUEST_TX_DURATION" => since_begin(TimePoint::SendingEnded),
        "RESPONSE_DURATION" => Operator::ResponseDuration,
        "RESPONSE_TX_DURATION" => Operator::ResponseTransmitDuration,
        "UPSTREAM_CONNECTION_POOL_READY_DURATION" => Operator::PoolReady,
        "UPSTREAM_HOST" => Operator::UpstreamHost,
        "UPSTREAM_HOST_NAME" => Operator::UpstreamHostName(host(true, true)),
        "UPSTREAM_HOST_NAME_WITHOUT_PORT" => Operator::UpstreamHostName(host(true, false)),
        "UPSTREAM_HOSTS_ATTEMPTED" => Operator::UpstreamsAttempted(host(false, true)),
        "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT" => Operator::UpstreamsAttempted(host(false, false)),
        "UPSTREAM_HOST_NAMES_ATTEMPTED" => Operator::UpstreamsAttempted(host(true, true)),
        "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT" => {
            Operator::UpstreamsAttempted(host(true, false))
        }
        "UPSTREAM_CLUSTER" => Operator::UpstreamCluster,
        "UPSTREAM_CLUSTER_RAW" => Operator::UpstreamClusterRaw,
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Operator::UpstreamAttempts,
        "ROUTE_NAME" => Operator::RouteName,
        "FILTER_CHAIN_NAME" => Operator::FilterChainName,
        "LISTENER_NAME" => Operator::ListenerName,
        "CONNECTION_ID" => Operator::ConnectionId,
        "UPSTREAM_CONNECTION_ID" => Operator::UpstreamConnectionId,
        "UNIQUE_ID" => Operator::UniqueId,
        "CUSTOM_FLAGS" => Operator::CustomFlags,
        "DOWNSTREAM_HANDSHAKE_DURATION" => Operator::HandshakeDuration,
        "STREAM_ID" => Operator::StreamId,
        "HOSTNAME" => Operator::HostName,
        "GRPC_STATUS_NUMBER" => Operator::GrpcStatusNumber,
        "LOCAL_REPLY_BODY" => Operator::LocalReplyBody,
        "ACCESS_LOG_TYPE" => Operator::LogType,
        "ROUNDTRIP_DURATION"
        | "TRACE_ID"
        | "SPAN_ID"
        | "VIRTUAL_CLUSTER_NAME"
        | "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID"
        | "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID"
        | "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID" => Operator::Absent,
        _ => return None,
    })
}

fn tls_operator(name: &str) -> Option<Operator> {
    if name == "UPSTREAM_SERVER_NAME" {
        return Some(Operator::Tls(Side::Upstream, TlsField::ServerName));
    }
    let (side, field) = match name.strip_prefix("DOWNSTREAM_TLS_") {
        Some(field) => (Side::Downstream, field),
        None => (Side::Upstream, name.strip_prefix("UPSTREAM_TLS_")?),
    };
    let field = match field {
        "VERSION" => TlsField::Version,
        "CIPHER" => TlsField::Cipher,
        "GROUP" => TlsField::Group,
        _ => return None,
    };
    Some(Operator::Tls(side, field))
}

fn wire_operator(name: &str) -> Option<Operator> {
    let (with, rest) = match name.strip_prefix("DOWNSTREAM_") {
        Some(rest) => (Side::Downstream, rest),
        None => (Side::Upstream, name.strip_prefix("UPSTREAM_")?),
    };
    let (direction, part) = match rest.strip_suffix("_BYTES_RECEIVED") {
        Some(part) => (WireDirection::Received, part),
        None => (WireDirection::Sent, rest.strip_suffix("_BYTES_SENT")?),
    };
    let part = match part {
        "WIRE" => WirePart::All,
        "HEADER" => WirePart::Fields,
        "DECOMPRESSED_HEADER" => WirePart::PlainFields,
        _ => return None,
    };
    Some(Operator::WireBytes(WireBytes {
        with,
        direction,
        part,
    }))
}

/// Operators on certificates. Envoy has not all of them for each certificate.
fn certificate_operator(name: &str, argument: Option<&str>) -> Option<Operator> {
    const OWNERS: [(&str, CertificateOf); 3] = [
        ("DOWNSTREAM_PEER_", CertificateOf::DownstreamPeer),
        ("DOWNSTREAM_LOCAL_", CertificateOf::DownstreamLocal),
        ("UPSTREAM_PEER_", CertificateOf::UpstreamPeer),
    ];
    let mut owners = OWNERS.iter();
    let (of, field) = owners.find_map(|(prefix, of)| Some((*of, name.strip_prefix(prefix)?)))?;
    let client = of == CertificateOf::DownstreamPeer;
    let downstream = client || of == CertificateOf::DownstreamLocal;
    let peer = of != CertificateOf::DownstreamLocal;
    let format = || Str::from(argument.unwrap_or_default());
    let field = match field {
        "CERT_V_START" if peer => CertificateField::ValidFrom(format()),
        "CERT_V_END" if peer => CertificateField::ValidUntil(format()),
        _ if argument.is_some_and(|argument| !argument.is_empty()) => return None,
        "URI_SAN" => CertificateField::Uris,
        "DNS_SAN" => CertificateField::DnsNames,
        "IP_SAN" => CertificateField::Addresses,
        "EMAIL_SAN" if downstream => CertificateField::Emails,
        "OTHERNAME_SAN" if downstream => CertificateField::OtherNames,
        "SUBJECT" => CertificateField::Subject,
        "ISSUER" if peer => CertificateField::Issuer,
        "SERIAL" if client => CertificateField::Serial,
        "FINGERPRINT_256" if client => CertificateField::Fingerprint,
        "FINGERPRINT_1" if client => CertificateField::OldFingerprint,
        "CHAIN_FINGERPRINTS_1" if client => CertificateField::ChainOldFingerprints,
        "ISSUER_SERIAL" if client => CertificateField::IssuerSerial,
        "ISSUER_FINGERPRINT_256" if client => CertificateField::IssuerFingerprint,
        "CHAIN_SERIALS" if client => CertificateField::ChainSerials,
        "CHAIN_FINGERPRINTS_256" if client => CertificateField::ChainFingerprints,
        "CERT" if peer => CertificateField::Pem,
        _ => return None,
    };
    Some(Operator::Certificate(of, field))
}

fn address_operator(name: &str, argument: Option<&str>) -> Option<Result<Operator, Wrong>> {
    let (stem, part) = if let Some(stem) = name.strip_suffix("_ADDRESS_WITHOUT_PORT") {
        (stem, AddressPart::Host)
    } else if let Some(stem) = name.strip_suffix("_ADDRESS") {
        (stem, AddressPart::Whole)
    } else {
        (name.strip_suffix("_PORT")?, AddressPart::Port)
    };
    let of = match stem {
        "UPSTREAM_LOCAL" => AddressOf::UpstreamLocal,
        "UPSTREAM_REMOTE" => AddressOf::UpstreamRemote,
        "DOWNSTREAM_LOCAL" => AddressOf::DownstreamLocal,
        "DOWNSTREAM_REMOTE" => AddressOf::DownstreamRemote,
        "DOWNSTREAM_DIRECT_REMOTE" => AddressOf::DownstreamDirectRemote,
        "DOWNSTREAM_DIRECT_LOCAL" => AddressOf::DownstreamDirectLocal,
        _ => return None,
    };
    let part = match (argument, part) {
        (None | Some(""), part) => Ok(part),
        (Some(bits), AddressPart::Host) => match bits.parse() {
            Ok(bits @ 0..=128) => Ok(AddressPart::Network(bits)),
            _ => Err("the length of a network is a number up to 128"),
        },
        _ => Err("it takes no argument"),
    };
    Some(part.map(|part| Operator::Address(of, part)))
}
