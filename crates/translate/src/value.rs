//! Values that protobuf has and Rust literals lack: wrappers, durations, addresses, matchers and
//! packed messages. Pure constructors; they hold no policy.

use std::net::IpAddr;
use std::time::Duration;

use ferromesh_proto::envoy::config::core::v3 as core;
use ferromesh_proto::envoy::r#type::matcher::v3 as matcher;
use ferromesh_proto::envoy::r#type::v3 as kind;
use ferromesh_proto::google::protobuf as google;
use prost::{Message, Name};

/// Packs a message under its own type URL.
pub(crate) fn any<M: Message + Name>(message: &M) -> google::Any {
    google::Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

/// A protobuf duration.
pub(crate) fn duration(value: Duration) -> google::Duration {
    google::Duration {
        seconds: i64::try_from(value.as_secs()).unwrap_or(i64::MAX),
        nanos: value.subsec_nanos() as i32,
    }
}

/// The duration of no length, which Envoy reads as "no limit" in most places.
pub(crate) fn no_limit() -> Option<google::Duration> {
    Some(google::Duration::default())
}

/// A present unsigned number.
pub(crate) fn number(value: u32) -> Option<google::UInt32Value> {
    Some(google::UInt32Value { value })
}

/// A present flag.
pub(crate) fn flag(value: bool) -> Option<google::BoolValue> {
    Some(google::BoolValue { value })
}

/// A percentage.
pub(crate) fn percent(value: f64) -> kind::Percent {
    kind::Percent { value }
}

/// An address and port of a socket; the host may be a name where Envoy resolves it.
pub(crate) fn socket(host: impl Into<String>, port: u16) -> core::SocketAddress {
    core::SocketAddress {
        address: host.into(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(u32::from(
            port,
        ))),
        ..Default::default()
    }
}

/// The same as an [`core::Address`].
pub(crate) fn address(host: impl Into<String>, port: u16) -> core::Address {
    core::Address {
        address: Some(core::address::Address::SocketAddress(socket(host, port))),
    }
}

/// A Unix socket.
pub(crate) fn pipe(path: &str) -> core::Address {
    core::Address {
        address: Some(core::address::Address::Pipe(core::Pipe {
            path: path.to_owned(),
            mode: 0,
        })),
    }
}

/// A block of addresses.
pub(crate) fn cidr(prefix: IpAddr, length: u8) -> core::CidrRange {
    core::CidrRange {
        address_prefix: prefix.to_string(),
        prefix_len: number(u32::from(length)),
    }
}

/// "Ask the control plane on the stream that is open anyway, and wait for it."
pub(crate) fn ads() -> core::ConfigSource {
    core::ConfigSource {
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
            core::AggregatedConfigSource {},
        )),
        initial_fetch_timeout: no_limit(),
        resource_api_version: core::ApiVersion::V3 as i32,
        ..Default::default()
    }
}

/// Matches the text as it stands.
pub(crate) fn exact(text: impl Into<String>) -> matcher::StringMatcher {
    pattern(matcher::string_matcher::MatchPattern::Exact(text.into()))
}

/// Matches what begins with the text.
pub(crate) fn prefix(text: impl Into<String>) -> matcher::StringMatcher {
    pattern(matcher::string_matcher::MatchPattern::Prefix(text.into()))
}

/// Matches the whole text against an RE2 expression.
pub(crate) fn regex(expression: impl Into<String>) -> matcher::StringMatcher {
    pattern(matcher::string_matcher::MatchPattern::SafeRegex(
        regex_matcher(expression),
    ))
}

/// An RE2 expression.
pub(crate) fn regex_matcher(expression: impl Into<String>) -> matcher::RegexMatcher {
    matcher::RegexMatcher {
        regex: expression.into(),
        ..Default::default()
    }
}

fn pattern(pattern: matcher::string_matcher::MatchPattern) -> matcher::StringMatcher {
    matcher::StringMatcher {
        match_pattern: Some(pattern),
        ..Default::default()
    }
}
