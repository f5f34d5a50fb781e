//! The values of operators: what a record says about each.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use ferromesh_route::template::{
    AddressOf, CertificateField, CertificateOf, DurationUnit, HeadPart, HostForm, Operator, Side,
    TimePoint, TlsField, WireBytes, WireDirection, WirePart,
};
use ferromesh_route::virtual_host::without_port;
use ferromesh_tls::PeerCertificate;

use super::record::{HeaderLookup, LogRecord, TriedBefore};
use super::requested;
use crate::certificate::encoded;
use crate::cluster::Address;
use crate::uuid;

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
        Operator::Between(begin, end, unit) => {
            let (begin, end) = (moment(*begin, record)?, moment(*end, record)?);
            let span = end.saturating_sub(begin);
            let count = match unit {
                DurationUnit::Millis => span.as_millis(),
                DurationUnit::Micros => span.as_micros(),
                DurationUnit::Nanos => span.as_nanos(),
            };
            u64::try_from(count).ok()
        }
        Operator::PoolReady => millis(record.pool_wait),
        Operator::OnlyQuic => Some(0),
        Operator::HeadBytes(part) => {
            let fields = match part {
                HeadPart::Request => record.request,
                HeadPart::Response => record.response,
                HeadPart::Trailers => record.trailers,
            };
            // The status is a field of an answer, and none of trailers.
            let status = match (part, fields) {
                (HeadPart::Response, Some(_)) => ":status200".len() as u64,
                _ => 0,
            };
            Some(fields.map_or(0, HeaderLookup::bytes) + status)
        }
        Operator::WireBytes(which) => Some(wire_bytes(*which, record)),
        Operator::UpstreamAttempts => Some(u64::from(record.attempts)),
        Operator::ConnectionId => Some(record.connection_id),
        Operator::UpstreamConnectionId => Some(record.upstream_connection),
        Operator::HandshakeDuration => millis(record.handshake_duration),
        Operator::GrpcStatusNumber => record.grpc_status().map(u64::from),
        _ => None,
    }
}

fn wire_bytes(which: WireBytes, record: &LogRecord<'_>) -> u64 {
    let wire = match which.with {
        Side::Downstream => record.downstream_wire,
        Side::Upstream => record.upstream_wire,
    };
    let count = match which.direction {
        WireDirection::Received => wire.received,
        WireDirection::Sent => wire.sent,
    };
    match which.part {
        WirePart::All => count.all,
        WirePart::Fields => u64::from(count.fields),
        WirePart::PlainFields => u64::from(count.plain_fields),
    }
}

/// The value of a textual operator; `None` when there is none.
pub(super) fn text<'a>(operator: &Operator, record: &LogRecord<'a>) -> Option<Cow<'a, str>> {
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
        Operator::QueryParameter(name) => requested::query_parameter(name, record),
        Operator::Query { decoded } => requested::query(*decoded, record),
        Operator::Path { with_query, source } => requested::path(*with_query, *source, record),
        Operator::Protocol => known(record.protocol),
        Operator::UpstreamProtocol => known(record.upstream_protocol),
        Operator::UpstreamHostName(form) => {
            let address = record.upstream_host?;
            Some(host_text(record.upstream_name, address, *form))
        }
        Operator::UpstreamsAttempted(form) => {
            let last = record.upstream_host?;
            let mut all = vec![host_text(record.upstream_name, last, *form)];
            let mut before = record.tried_before;
            while let Some(TriedBefore { endpoint, .. }) = before {
                all.push(host_text(&endpoint.hostname, &endpoint.address, *form));
                before = before.and_then(|tried| tried.before.as_deref());
            }
            all.reverse();
            Some(Cow::Owned(all.join(",")))
        }
        Operator::ResponseCodeDetails { with_spaces } => {
            let details = known(record.status_details)?;
            match with_spaces {
                false if details.contains(' ') => Some(Cow::Owned(details.replace(' ', "_"))),
                _ => Some(details),
            }
        }
        Operator::ConnectionTerminationDetails => known(record.termination_details),
        Operator::UpstreamTransportFailureReason => known(record.upstream_failure),
        Operator::DownstreamTransportFailureReason => known(record.downstream_failure),
        Operator::UpstreamCluster => known(record.cluster_observability_name),
        Operator::UpstreamClusterRaw => known(record.cluster),
        Operator::RequestedServerName(source) => requested::server_name(*source, record),
        Operator::RouteName => known(record.route),
        Operator::FilterChainName => known(record.filter_chain),
        Operator::ListenerName => known(record.listener),
        Operator::UniqueId => Some(Cow::Owned(uuid::random_text())),
        Operator::CustomFlags => Some(Cow::Borrowed("")),
        Operator::StreamId => header(record.request, "x-request-id", None),
        Operator::HostName => Some(Cow::Borrowed(host_name())),
        Operator::Certificate(of, field) => certificate_text(certificate(*of, record)?, field),
        Operator::Tls(side, field) => known(tls(*side, *field, record)?),
        Operator::LogType => known(record.kind),
        Operator::LocalReplyBody => Some(Cow::Borrowed(record.local_reply_body)),
        Operator::GrpcStatus(form) => record.grpc_status().map(|status| form.text(status)),
        Operator::DynamicMetadata(namespace, path) => {
            Some(match record.metadata?.find(namespace, path)? {
                serde_json::Value::String(text) => Cow::Borrowed(text.as_str()),
                other => Cow::Owned(other.to_string()),
            })
        }
        _ => None,
    }
}

pub(super) fn header<'a>(
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

pub(super) fn address(of: AddressOf, record: &LogRecord<'_>) -> Option<SocketAddr> {
    match of {
        AddressOf::UpstreamLocal => record.upstream_local,
        AddressOf::UpstreamRemote => record.upstream_remote,
        AddressOf::DownstreamLocal => record.downstream_local,
        AddressOf::DownstreamRemote => record.downstream_remote,
        AddressOf::DownstreamDirectRemote => record.downstream_direct_remote,
        AddressOf::DownstreamDirectLocal => record.downstream_direct_local,
    }
}

/// How an endpoint is written.
fn host_text<'a>(name: &'a str, address: &Address, form: HostForm) -> Cow<'a, str> {
    if form.by_name && !name.is_empty() {
        return Cow::Borrowed(if form.with_port {
            name
        } else {
            without_port(name)
        });
    }
    match address.ip() {
        Some(address) if !form.with_port => Cow::Owned(address.ip().to_string()),
        _ => Cow::Owned(address.to_string()),
    }
}

/// When something happened, counted from the begin of the exchange.
fn moment(point: TimePoint, record: &LogRecord<'_>) -> Option<Duration> {
    match point {
        TimePoint::RequestBegan => Some(Duration::ZERO),
        TimePoint::RequestEnded => record.request_duration,
        TimePoint::SendingBegan => record.sending_begin,
        TimePoint::SendingEnded => record.sending_end,
        TimePoint::AnswerBegan => record.response_duration,
        TimePoint::ReplyBegan => record.reply_begin,
        TimePoint::ReplyEnded => record.duration,
    }
}

/// A certificate of the connection with the client, or with the endpoint.
pub(super) fn certificate<'a>(
    of: CertificateOf,
    record: &LogRecord<'a>,
) -> Option<&'a PeerCertificate> {
    match of {
        CertificateOf::DownstreamPeer => record.tls?.peer.as_ref(),
        CertificateOf::DownstreamLocal => record.tls?.local.as_deref(),
        CertificateOf::UpstreamPeer => record.upstream_tls?.peer.as_ref(),
    }
}

fn certificate_text<'a>(
    certificate: &'a PeerCertificate,
    field: &CertificateField,
) -> Option<Cow<'a, str>> {
    let list = |all: Vec<&str>| Cow::Owned(all.join(","));
    let text = match field {
        CertificateField::Uris => list(certificate.uris().collect()),
        CertificateField::DnsNames => list(certificate.dns_names().collect()),
        CertificateField::Emails => list(certificate.emails().collect()),
        CertificateField::Addresses => {
            let all = certificate
                .ip_addresses()
                .map(|address| address.to_string());
            Cow::Owned(all.collect::<Vec<_>>().join(","))
        }
        CertificateField::Subject => Cow::Borrowed(certificate.subject()),
        CertificateField::Issuer => Cow::Borrowed(certificate.issuer()),
        CertificateField::Serial => Cow::Borrowed(certificate.serial()),
        CertificateField::Fingerprint => Cow::Owned(certificate.sha256()),
        CertificateField::OldFingerprint => {
            Cow::Owned(certificate.chain_sha1().next().unwrap_or_default())
        }
        CertificateField::OtherNames => list(certificate.other_names().collect()),
        CertificateField::IssuerSerial => {
            Cow::Owned(certificate.chain_serials().nth(1).unwrap_or_default())
        }
        CertificateField::IssuerFingerprint => {
            Cow::Owned(certificate.chain_sha256().nth(1).unwrap_or_default())
        }
        CertificateField::ChainOldFingerprints => {
            Cow::Owned(certificate.chain_sha1().collect::<Vec<_>>().join(","))
        }
        CertificateField::ChainSerials => {
            Cow::Owned(certificate.chain_serials().collect::<Vec<_>>().join(","))
        }
        CertificateField::ChainFingerprints => {
            Cow::Owned(certificate.chain_sha256().collect::<Vec<_>>().join(","))
        }
        CertificateField::Pem => Cow::Owned(encoded(certificate.chain().take(1))),
        CertificateField::ValidFrom(_) | CertificateField::ValidUntil(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

fn tls<'a>(side: Side, field: TlsField, record: &LogRecord<'a>) -> Option<&'a str> {
    let session = match side {
        Side::Downstream => record.tls?,
        Side::Upstream => record.upstream_tls?,
    };
    Some(match field {
        TlsField::Version => session.version,
        TlsField::Cipher => session.cipher,
        TlsField::Group => session.group,
        TlsField::ServerName => &session.server_name,
    })
}
