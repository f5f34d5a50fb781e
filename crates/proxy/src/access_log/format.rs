//! Filling in templates from a record; text lines.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use ferromesh_route::Template;
use ferromesh_route::template::{AddressOf, AddressPart, Operator, Segment};

use super::json::JsonFormat;
use super::record::{HeaderLookup, LogRecord};
use super::time_format::write_time;

/// What Envoy writes when no format is given.
pub const ENVOY_DEFAULT_FORMAT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" ",
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n",
);

/// What a line looks like.
#[derive(Clone, Debug)]
pub enum LogFormat {
    /// A template.
    Text {
        /// The template; it brings its own line end.
        template: Template,
        /// Whether a missing value is written as nothing instead of a dash.
        omit_empty: bool,
    },
    /// A JSON object.
    Json(JsonFormat),
}

impl LogFormat {
    /// Appends the line for `record`.
    pub fn write(&self, record: &LogRecord<'_>, out: &mut String) {
        match self {
            Self::Text {
                template,
                omit_empty,
            } => fill(template, record, if *omit_empty { "" } else { "-" }, out),
            Self::Json(format) => format.write(record, out),
        }
    }
}

/// The text of a template for `record`; what is missing is empty. For header values.
pub fn render(template: &Template, record: &LogRecord<'_>) -> String {
    let mut out = String::new();
    fill(template, record, "", &mut out);
    out
}

/// Appends the text of a template; what is missing becomes `missing`.
pub(super) fn fill(template: &Template, record: &LogRecord<'_>, missing: &str, out: &mut String) {
    for segment in template.segments() {
        match segment {
            Segment::Text(text) => out.push_str(text),
            Segment::Operator { operator, limit } => {
                let begin = out.len();
                if !write_operator(operator, record, out) {
                    out.push_str(missing);
                }
                if let Some(limit) = limit {
                    cut(out, begin + limit);
                }
            }
        }
    }
}

/// Cuts at a character boundary at or below `length`.
fn cut(out: &mut String, length: usize) {
    if out.len() > length {
        out.truncate(out.floor_char_boundary(length));
    }
}

/// Appends a value; false when there is none.
pub(super) fn write_operator(
    operator: &Operator,
    record: &LogRecord<'_>,
    out: &mut String,
) -> bool {
    match operator {
        Operator::StartTime(format) => record.start.is_some_and(|at| {
            // The format was checked when the config was compiled.
            write_time(out, format, at).is_ok()
        }),
        // No flag is a dash, also where other missing values are left out.
        Operator::ResponseFlags | Operator::ResponseFlagsLong if record.flags.is_empty() => {
            push(out, "-")
        }
        Operator::ResponseFlags => push(out, &record.flags.short()),
        Operator::ResponseFlagsLong => push(out, &record.flags.long()),
        Operator::Address(of, part) => write_address(address(*of, record), *part, out),
        Operator::UpstreamHost => record
            .upstream_host
            .is_some_and(|host| write!(out, "{host}").is_ok()),
        Operator::Environment(name) => {
            std::env::var(name.as_str()).is_ok_and(|value| push(out, &value))
        }
        _ => match number(operator, record) {
            Some(number) => push(out, itoa::Buffer::new().format(number)),
            None => text(operator, record).is_some_and(|value| push(out, &value)),
        },
    }
}

fn push(out: &mut String, value: &str) -> bool {
    out.push_str(value);
    true
}

/// The value of a numeric operator; `None` when it is not known, and for other operators.
pub(super) fn number(operator: &Operator, record: &LogRecord<'_>) -> Option<u64> {
    let millis = |span: Option<Duration>| {
        span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    };
    match operator {
        Operator::ResponseCode => Some(u64::from(record.status)),
        Operator::BytesReceived => Some(record.bytes_received),
        Operator::BytesSent => Some(record.bytes_sent),
        Operator::Duration => millis(record.duration),
        Operator::RequestDuration => millis(record.request_duration),
        Operator::ResponseDuration => millis(record.response_duration),
        Operator::ResponseTransmitDuration => millis(
            record
                .duration
                .zip(record.response_duration)
                .map(|(all, response)| all.saturating_sub(response)),
        ),
        Operator::UpstreamAttempts => Some(u64::from(record.attempts)),
        Operator::ConnectionId => Some(record.connection_id),
        Operator::GrpcStatusNumber => grpc_status(record).map(u64::from),
        _ => None,
    }
}

/// The value of a textual operator; `None` when there is none.
fn text<'a>(operator: &Operator, record: &LogRecord<'a>) -> Option<Cow<'a, str>> {
    let known = |value: &'a str| (!value.is_empty()).then_some(Cow::Borrowed(value));
    match operator {
        Operator::RequestHeader(first, second) => header(record.request, first, second.as_deref()),
        Operator::RequestHeaderWithoutQuery(first, second) => {
            let value = header(record.request, first, second.as_deref())?;
            let end = value.find('?').unwrap_or(value.len());
            Some(Cow::Owned(value[..end].to_owned()))
        }
        Operator::ResponseHeader(first, second) => {
            header(record.response, first, second.as_deref())
        }
        Operator::ResponseTrailer(first, second) => {
            header(record.trailers, first, second.as_deref())
        }
        Operator::Protocol => known(record.protocol),
        Operator::ResponseCodeDetails => known(record.status_details),
        Operator::ConnectionTerminationDetails => known(record.termination_details),
        Operator::UpstreamTransportFailureReason => known(record.upstream_failure),
        Operator::DownstreamTransportFailureReason => known(record.downstream_failure),
        Operator::UpstreamCluster => known(record.cluster_observability_name),
        Operator::UpstreamClusterRaw => known(record.cluster),
        Operator::RequestedServerName => known(record.server_name),
        Operator::RouteName => known(record.route),
        Operator::VirtualHostName => known(record.virtual_host),
        Operator::FilterChainName => known(record.filter_chain),
        Operator::StreamId => known(record.stream_id),
        Operator::HostName => Some(Cow::Borrowed(host_name())),
        Operator::DownstreamTlsVersion => known(record.tls_version),
        Operator::DownstreamPeerUriSan => known(record.peer_uri_san),
        Operator::DownstreamLocalUriSan => known(record.local_uri_san),
        Operator::DownstreamPeerSubject => known(record.peer_subject),
        Operator::LocalReplyBody => Some(Cow::Borrowed(record.local_reply_body)),
        Operator::GrpcStatus(form) => grpc_status(record).map(|status| form.text(status)),
        Operator::UpstreamPeerUriSan => known(record.upstream_peer_uri_san),
        Operator::DynamicMetadata(namespace, path) => {
            Some(match record.metadata?.find(namespace, path)? {
                serde_json::Value::String(text) => Cow::Borrowed(text.as_str()),
                other => Cow::Owned(other.to_string()),
            })
        }
        _ => None,
    }
}

/// The status of a gRPC answer, from its trailers or its head.
fn grpc_status(record: &LogRecord<'_>) -> Option<u32> {
    let kind = record.request?.header("content-type")?;
    let rest = kind.strip_prefix("application/grpc")?;
    if !rest.is_empty() && !rest.starts_with(['+', ';']) {
        return None;
    }
    let found = [record.trailers, record.response].into_iter().flatten();
    let mut found = found.filter_map(|fields| fields.header("grpc-status"));
    match found.next() {
        Some(status) => status.parse().ok(),
        None if record.status == 0 => None,
        None => Some(crate::http::grpc_status(record.status)),
    }
}

fn header<'a>(
    headers: Option<&'a dyn HeaderLookup>,
    first: &str,
    second: Option<&str>,
) -> Option<Cow<'a, str>> {
    let headers = headers?;
    headers
        .header(first)
        .or_else(|| headers.header(second?))
        .filter(|value| !value.is_empty())
}

fn host_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let read = std::fs::read_to_string("/proc/sys/kernel/hostname");
        read.map_or_else(|_| "-".to_owned(), |name| name.trim().to_owned())
    })
}

fn address(of: AddressOf, record: &LogRecord<'_>) -> Option<SocketAddr> {
    match of {
        AddressOf::UpstreamLocal => record.upstream_local,
        AddressOf::UpstreamRemote => record.upstream_remote,
        AddressOf::DownstreamLocal => record.downstream_local,
        AddressOf::DownstreamRemote => record.downstream_remote,
        AddressOf::DownstreamDirectRemote => record.downstream_direct_remote,
    }
}

fn write_address(address: Option<SocketAddr>, part: AddressPart, out: &mut String) -> bool {
    address.is_some_and(|address| {
        let written = match part {
            AddressPart::Whole => write!(out, "{address}"),
            AddressPart::Host => write!(out, "{}", address.ip()),
            AddressPart::Port => write!(out, "{}", address.port()),
        };
        written.is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::ResponseFlags;

    fn line(format: &str, record: &LogRecord<'_>) -> String {
        let mut out = String::new();
        let template = Template::parse(format).expect("valid");
        fill(&template, record, "-", &mut out);
        out
    }

    #[test]
    fn a_line_in_the_default_format_of_istio() {
        let request = http::HeaderMap::from_iter([
            (
                http::HeaderName::from_static("user-agent"),
                "curl/8".parse().expect("a value"),
            ),
            (
                http::HeaderName::from_static("x-request-id"),
                "id-1".parse().expect("a value"),
            ),
        ]);
        let endpoint = crate::cluster::Address::from(SocketAddr::from(([10, 0, 0, 2], 8080)));
        let record = LogRecord {
            start: Some(std::time::UNIX_EPOCH),
            duration: Some(Duration::from_millis(12)),
            request: Some(&request),
            protocol: "HTTP/1.1",
            status: 503,
            status_details: "upstream_reset_before_response_started{connection_failure}",
            flags: ResponseFlags::UPSTREAM_CONNECTION_FAILURE,
            bytes_sent: 91,
            upstream_host: Some(&endpoint),
            cluster: "outbound|80||catalog",
            downstream_local: Some(SocketAddr::from(([10, 0, 0, 9], 80))),
            route: "default",
            ..LogRecord::default()
        };
        let format = concat!(
            "[%START_TIME%] %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% ",
            "%CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" ",
            "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% ",
            "\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%UPSTREAM_HOST%\" ",
            "%UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% ",
            "%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%",
        );
        assert_eq!(
            line(format, &record),
            concat!(
                "[1970-01-01T00:00:00.000Z] HTTP/1.1 503 UF ",
                "upstream_reset_before_response_started{connection_failure} - \"-\" 0 91 12 - ",
                "\"curl/8\" \"id-1\" \"10.0.0.2:8080\" outbound|80||catalog - 10.0.0.9:80 - - default",
            )
        );
    }

    #[test]
    fn values_are_cut_to_their_length() {
        let record = LogRecord {
            route: "a-long-name",
            ..LogRecord::default()
        };
        assert_eq!(line("%ROUTE_NAME:6%|%PROTOCOL%", &record), "a-long|-");
    }
}
