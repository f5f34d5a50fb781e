//! What can be filled into a template.

use std::borrow::Cow;

use ferromesh_types::Str;

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
    /// Our end of the downstream socket.
    DownstreamDirectLocal,
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
    /// The network of that many bits that the address is in.
    Network(u8),
}

/// A part of an exchange that has a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadPart {
    /// The request's head.
    Request,
    /// The response's head.
    Response,
    /// The response's trailers.
    Trailers,
}

/// A moment of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePoint {
    /// The first byte of the request came.
    RequestBegan,
    /// The last one came.
    RequestEnded,
    /// The request began to go to the endpoint.
    SendingBegan,
    /// Its last byte went there.
    SendingEnded,
    /// The endpoint's answer began.
    AnswerBegan,
    /// The answer began to go to the client.
    ReplyBegan,
    /// Its last byte went there.
    ReplyEnded,
}

/// What a duration is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurationUnit {
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

/// How endpoints are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostForm {
    /// By their names, where they have some.
    pub by_name: bool,
    /// With their ports.
    pub with_port: bool,
}

/// Whose certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateOf {
    /// The client's.
    DownstreamPeer,
    /// Ours towards the client.
    DownstreamLocal,
    /// The endpoint's.
    UpstreamPeer,
}

/// What of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateField {
    /// Its URI names.
    Uris,
    /// Its DNS names.
    DnsNames,
    /// Its IP addresses.
    Addresses,
    /// Its mail addresses.
    Emails,
    /// Its subject.
    Subject,
    /// Its issuer.
    Issuer,
    /// Its serial number.
    Serial,
    /// Its SHA-256.
    Fingerprint,
    /// Its SHA-1.
    OldFingerprint,
    /// Its names of other types.
    OtherNames,
    /// The serial number of its issuer's certificate, where that was shown.
    IssuerSerial,
    /// The SHA-256 of that.
    IssuerFingerprint,
    /// The serial numbers of the chain that was shown.
    ChainSerials,
    /// The SHA-256 of each of that chain.
    ChainFingerprints,
    /// The SHA-1 of each of that chain.
    ChainOldFingerprints,
    /// All of it, as PEM with percent-encoding.
    Pem,
    /// Since when it is valid, in this format.
    ValidFrom(Str),
    /// Until when.
    ValidUntil(Str),
}

/// With whom: which TLS connection, whose bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// With the client.
    Downstream,
    /// With the endpoint; bytes are those of all tries.
    Upstream,
}

/// What of a TLS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsField {
    /// Its version.
    Version,
    /// Its cipher suite, by OpenSSL's name.
    Cipher,
    /// The group of its key exchange.
    Group,
    /// The server name that was asked for.
    ServerName,
}

/// A count of bytes as they are on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireBytes {
    /// With whom.
    pub with: Side,
    /// Which way.
    pub direction: WireDirection,
    /// Which of them.
    pub part: WirePart,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireDirection {
    /// To us.
    Received,
    /// From us.
    Sent,
}

/// Which bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WirePart {
    /// All.
    All,
    /// Header fields and trailers.
    Fields,
    /// The same without compression.
    PlainFields,
}

/// Where a request's path or host is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathSource {
    /// As it came, before it was rewritten; nothing where it was not.
    Original,
    /// As it is now.
    Current,
    /// As it came.
    OriginalOrCurrent,
}

/// What counts as the server that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSource {
    /// The server name of the TLS hello.
    ServerName,
    /// That, or else the host of the request.
    ServerNameOrHost(PathSource),
    /// The host of the request.
    Host(PathSource),
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
    /// When the line is written, the same way.
    EmitTime(Str),
    /// When the request began, in the machine's time zone.
    LocalStartTime(Str),
    /// When the line is written, in the machine's time zone.
    LocalEmitTime(Str),
    /// A request header, or the second when the first is missing.
    RequestHeader(Str, Option<Str>),
    /// As `RequestHeader`, the query cut off.
    RequestHeaderWithoutQuery(Str, Option<Str>),
    /// A response header, or the second.
    ResponseHeader(Str, Option<Str>),
    /// A trailer of the response, or the second.
    ResponseTrailer(Str, Option<Str>),
    /// A parameter of the query.
    QueryParameter(Str),
    /// The query, as it is or decoded.
    Query {
        /// Whether percent-encoding is undone.
        decoded: bool,
    },
    /// The path.
    Path {
        /// Whether the query belongs to it.
        with_query: bool,
        /// Which path.
        source: PathSource,
    },
    /// Bytes of names and values.
    HeadBytes(HeadPart),
    /// Bytes on the wire.
    WireBytes(WireBytes),
    /// `HTTP/1.1` and the like.
    Protocol,
    /// The same, with the endpoint.
    UpstreamProtocol,
    /// The status.
    ResponseCode,
    /// Why that status.
    ResponseCodeDetails {
        /// Whether white space stays what it is.
        with_spaces: bool,
    },
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
    /// Time between two moments.
    Between(TimePoint, TimePoint, DurationUnit),
    /// Milliseconds until there was a connection to the endpoint.
    PoolReady,
    /// A number that only QUIC has.
    OnlyQuic,
    /// One of the addresses.
    Address(AddressOf, AddressPart),
    /// The endpoint's host and port as configured.
    UpstreamHost,
    /// The endpoint.
    UpstreamHostName(HostForm),
    /// All endpoints that were tried.
    UpstreamsAttempted(HostForm),
    /// The cluster, by its name for observation.
    UpstreamCluster,
    /// The cluster's name.
    UpstreamClusterRaw,
    /// How often the request was tried.
    UpstreamAttempts,
    /// The server that was asked for.
    RequestedServerName(NameSource),
    /// The route's name.
    RouteName,
    /// The filter chain's name.
    FilterChainName,
    /// The listener's name.
    ListenerName,
    /// The number of the downstream connection.
    ConnectionId,
    /// The number of the upstream connection.
    UpstreamConnectionId,
    /// Another random identifier each time.
    UniqueId,
    /// Words that extensions put there, of which we have none: an empty text.
    CustomFlags,
    /// Milliseconds from the client's connection until TLS was established.
    HandshakeDuration,
    /// The request's own identifier.
    StreamId,
    /// The host that the proxy runs on.
    HostName,
    /// Something about a certificate.
    Certificate(CertificateOf, CertificateField),
    /// Something about a TLS connection.
    Tls(Side, TlsField),
    /// At which moment the line is written.
    LogType,
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
    /// What only filters, tracers and listeners that we do not have could set: always absent.
    Absent,
}
