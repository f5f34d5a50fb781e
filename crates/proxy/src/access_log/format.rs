//! Filling in templates from a record; text lines.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ferromesh_route::Template;
use ferromesh_route::template::{AddressPart, CertificateField, Operator, Segment};
use ferromesh_tls::PeerCertificate;
use ipnet::IpNet;

use super::flags::ResponseFlags;
use super::json::JsonFormat;
use super::record::LogRecord;
use super::time_format::{write_local_time, write_time};
use super::value::{address, certificate, number, text};

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
pub(super) fn cut(out: &mut String, length: usize) {
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
        Operator::EmitTime(format) => write_time(out, format, SystemTime::now()).is_ok(),
        Operator::LocalStartTime(format) => record
            .start
            .is_some_and(|at| write_local_time(out, format, at).is_ok()),
        Operator::LocalEmitTime(format) => write_local_time(out, format, SystemTime::now()).is_ok(),
        Operator::Certificate(of, CertificateField::ValidFrom(format)) => {
            write_validity(certificate(*of, record), |(from, _)| from, format, out)
        }
        Operator::Certificate(of, CertificateField::ValidUntil(format)) => {
            write_validity(certificate(*of, record), |(_, until)| until, format, out)
        }
        // No flag is a dash, also where other missing values are left out.
        Operator::ResponseFlags | Operator::ResponseFlagsLong if record.flags.is_empty() => {
            push(out, "-")
        }
        Operator::ResponseFlags => push(out, &flags(record, ResponseFlags::short)),
        Operator::ResponseFlagsLong => push(out, &flags(record, ResponseFlags::long)),
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

fn flags(record: &LogRecord<'_>, name: fn(ResponseFlags) -> String) -> String {
    if record.kind == "TcpConnectionEnd" {
        record.flags.of_connection(name)
    } else {
        name(record.flags)
    }
}

fn push(out: &mut String, value: &str) -> bool {
    out.push_str(value);
    true
}

fn write_address(address: Option<SocketAddr>, part: AddressPart, out: &mut String) -> bool {
    address.is_some_and(|address| {
        let written = match part {
            AddressPart::Whole => write!(out, "{address}"),
            AddressPart::Host => write!(out, "{}", address.ip()),
            AddressPart::Port => write!(out, "{}", address.port()),
            AddressPart::Network(bits) => match IpNet::new(address.ip(), bits) {
                Ok(network) => write!(out, "{}", network.trunc()),
                Err(_) => return false,
            },
        };
        written.is_ok()
    })
}

fn write_validity(
    peer: Option<&PeerCertificate>,
    bound: impl Fn((i64, i64)) -> i64,
    format: &str,
    out: &mut String,
) -> bool {
    let at = peer.and_then(|peer| {
        let seconds = u64::try_from(bound(peer.validity())).ok()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    });
    at.is_some_and(|at| write_time(out, format, at).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

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
