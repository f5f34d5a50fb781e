//! Text with `%OPERATORS%`, as Envoy's access logs and header values use it.
//!
//! Parsed once, when the config is compiled; whoever holds the request writes it out. An operator
//! that nobody knows is an error, never an empty string.

use std::borrow::Cow;

use ferromesh_types::Str;
use thiserror::Error;

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

/// Which end of a connection an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressOf {
    /// The proxy's end of the upstream connection.
    UpstreamLocal,
    /// The endpoint.
    UpstreamRemote,
    /// Where the client wanted to go.
    DownstreamLocal,
    /// The client, after trusted forwarding headers.
    DownstreamRemote,
    /// The peer of the downstream socket.
    DownstreamDirectRemote,
}

/// Which part of an address is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPart {
    /// Address and port.
    Whole,
    /// The address alone.
    Host,
    /// The port alone.
    Port,
}

/// How a gRPC status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcStatusForm {
    /// `NotFound`.
    Camel,
    /// `NOT_FOUND`.
    Snake,
}

/// The statuses of gRPC by their numbers.
const GRPC_STATUSES: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

impl GrpcStatusForm {
    /// The status as it is written; a number that has no name stays a number.
    pub fn text(self, status: u32) -> Cow<'static, str> {
        match GRPC_STATUSES.get(status as usize) {
            Some((camel, _)) if self == Self::Camel => Cow::Borrowed(camel),
            Some((_, snake)) => Cow::Borrowed(snake),
            None => Cow::Owned(status.to_string()),
        }
    }
}

/// What can be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// When the request began; the argument is a `strftime` format or empty.
    StartTime(Str),
    /// A request header, or the second when the first is missing.
    RequestHeader(Str, Option<Str>),
    /// As `RequestHeader`, the query cut off.
    RequestHeaderWithoutQuery(Str, Option<Str>),
    /// A response header, or the second.
    ResponseHeader(Str, Option<Str>),
    /// A trailer of the response, or the second.
    ResponseTrailer(Str, Option<Str>),
    /// `HTTP/1.1` and the like.
    Protocol,
    /// The status.
    ResponseCode,
    /// Why that status.
    ResponseCodeDetails,
    /// Short response flags.
    ResponseFlags,
    /// Long response flags.
    ResponseFlagsLong,
    /// Why the connection was closed.
    ConnectionTerminationDetails,
    /// Why TLS to the endpoint failed.
    UpstreamTransportFailureReason,
    /// Why TLS with the client failed.
    DownstreamTransportFailureReason,
    /// Body bytes from the client.
    BytesReceived,
    /// Body bytes to the client.
    BytesSent,
    /// Milliseconds from the first byte of the request to the last of the response.
    Duration,
    /// Milliseconds until the request was complete.
    RequestDuration,
    /// Milliseconds until the response began.
    ResponseDuration,
    /// Milliseconds from the response's first byte upstream to its last byte downstream.
    ResponseTransmitDuration,
    /// One of the addresses.
    Address(AddressOf, AddressPart),
    /// The endpoint's host and port as configured.
    UpstreamHost,
    /// The cluster, by its name for observation.
    UpstreamCluster,
    /// The cluster's name.
    UpstreamClusterRaw,
    /// How often the request was tried.
    UpstreamAttempts,
    /// The server name of the TLS hello.
    RequestedServerName,
    /// The route's name.
    RouteName,
    /// The virtual host's name.
    VirtualHostName,
    /// The filter chain's name.
    FilterChainName,
    /// The number of the downstream connection.
    ConnectionId,
    /// The request's own identifier.
    StreamId,
    /// The host that the proxy runs on.
    HostName,
    /// The TLS version with the client.
    DownstreamTlsVersion,
    /// The URI names of the client's certificate.
    DownstreamPeerUriSan,
    /// The URI names of the proxy's certificate.
    DownstreamLocalUriSan,
    /// The subject of the client's certificate.
    DownstreamPeerSubject,
    /// The URI names of the endpoint's certificate.
    UpstreamPeerUriSan,
    /// The status of a gRPC answer.
    GrpcStatus(GrpcStatusForm),
    /// The status of a gRPC answer as a number.
    GrpcStatusNumber,
    /// The text of an answer of the proxy's own, for the format of such answers.
    LocalReplyBody,
    /// An environment variable of the process.
    Environment(Str),
    /// What filters noted in a namespace, down these keys.
    DynamicMetadata(Str, Vec<Str>),
    /// State and metadata that only filters we do not have could set: always absent.
    Absent,
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
    let operator = match named(name, argument) {
        Some(operator) => operator.map_err(wrong)?,
        None => return Err(TemplateError::Unknown(text.to_owned())),
    };
    Ok(Segment::Operator { operator, limit })
}

fn named(name: &str, argument: Option<&str>) -> Option<Result<Operator, &'static str>> {
    let text = || argument.unwrap_or_default();
    let header = |make: fn(Str, Option<Str>) -> Operator| match text() {
        "" => Err("a header name is needed"),
        names => {
            let (first, second) = match names.split_once('?') {
                Some((first, second)) => (first, Some(second)),
                None => (names, None),
            };
            let lower = |name: &str| Str::from(name.to_ascii_lowercase());
            Ok(make(lower(first), second.map(lower)))
        }
    };
    Some(match name {
        "START_TIME" => Ok(Operator::StartTime(text().into())),
        "REQ" => header(Operator::RequestHeader),
        "REQ_WITHOUT_QUERY" => header(Operator::RequestHeaderWithoutQuery),
        "RESP" => header(Operator::ResponseHeader),
        "TRAILER" => header(Operator::ResponseTrailer),
        "ENVIRONMENT" if !text().is_empty() => Ok(Operator::Environment(text().into())),
        "ENVIRONMENT" => Err("a variable name is needed"),
        "GRPC_STATUS" => match text() {
            "" | "CAMEL_STRING" => Ok(Operator::GrpcStatus(GrpcStatusForm::Camel)),
            "SNAKE_STRING" => Ok(Operator::GrpcStatus(GrpcStatusForm::Snake)),
            "NUMBER" => Ok(Operator::GrpcStatusNumber),
            _ => Err("the form is CAMEL_STRING, SNAKE_STRING or NUMBER"),
        },
        "DYNAMIC_METADATA" => {
            let mut keys = text().split(':').map(Str::from);
            let namespace = keys.next().filter(|namespace| !namespace.is_empty());
            namespace
                .map(|namespace| Operator::DynamicMetadata(namespace, keys.collect()))
                .ok_or("a namespace is needed")
        }
        "CLUSTER_METADATA"
        | "UPSTREAM_METADATA"
        | "METADATA"
        | "FILTER_STATE"
        | "UPSTREAM_FILTER_STATE" => Ok(Operator::Absent),
        _ => Ok(plain_operator(name).or_else(|| address_operator(name))?),
    })
}

fn plain_operator(name: &str) -> Option<Operator> {
    Some(match name {
        "PROTOCOL" => Operator::Protocol,
        "RESPONSE_CODE" => Operator::ResponseCode,
        "RESPONSE_CODE_DETAILS" => Operator::ResponseCodeDetails,
        "RESPONSE_FLAGS" => Operator::ResponseFlags,
        "RESPONSE_FLAGS_LONG" => Operator::ResponseFlagsLong,
        "CONNECTION_TERMINATION_DETAILS" => Operator::ConnectionTerminationDetails,
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => Operator::UpstreamTransportFailureReason,
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON" => Operator::DownstreamTransportFailureReason,
        "BYTES_RECEIVED" => Operator::BytesReceived,
        "BYTES_SENT" => Operator::BytesSent,
        "DURATION" => Operator::Duration,
        "REQUEST_DURATION" => Operator::RequestDuration,
        "RESPONSE_DURATION" => Operator::ResponseDuration,
        "RESPONSE_TX_DURATION" => Operator::ResponseTransmitDuration,
        "UPSTREAM_HOST" => Operator::UpstreamHost,
        "UPSTREAM_CLUSTER" => Operator::UpstreamCluster,
        "UPSTREAM_CLUSTER_RAW" => Operator::UpstreamClusterRaw,
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Operator::UpstreamAttempts,
        "REQUESTED_SERVER_NAME" => Operator::RequestedServerName,
        "ROUTE_NAME" => Operator::RouteName,
        "VIRTUAL_HOST_NAME" => Operator::VirtualHostName,
        "FILTER_CHAIN_NAME" => Operator::FilterChainName,
        "CONNECTION_ID" => Operator::ConnectionId,
        "STREAM_ID" => Operator::StreamId,
        "HOSTNAME" => Operator::HostName,
        "DOWNSTREAM_TLS_VERSION" => Operator::DownstreamTlsVersion,
        "DOWNSTREAM_PEER_URI_SAN" => Operator::DownstreamPeerUriSan,
        "DOWNSTREAM_LOCAL_URI_SAN" => Operator::DownstreamLocalUriSan,
        "DOWNSTREAM_PEER_SUBJECT" => Operator::DownstreamPeerSubject,
        "UPSTREAM_PEER_URI_SAN" => Operator::UpstreamPeerUriSan,
        "GRPC_STATUS_NUMBER" => Operator::GrpcStatusNumber,
        "LOCAL_REPLY_BODY" => Operator::LocalReplyBody,
        _ => return None,
    })
}

fn address_operator(name: &str) -> Option<Operator> {
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
        _ => return None,
    };
    Some(Operator::Address(of, part))
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
        for text in ["%NOPE%", "100%", "%REQ()%", "%DURATION:x%"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
