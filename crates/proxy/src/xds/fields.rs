//! Field types that every resource uses: durations, addresses, networks, data sources.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use ferromesh_proto::envoy::config::core::v3 as core;
use ferromesh_proto::envoy::config::core::v3::address::Address as AddressKind;
use ferromesh_proto::envoy::config::core::v3::data_source::Specifier;
use ferromesh_proto::envoy::config::core::v3::socket_address::PortSpecifier;
use ferromesh_proto::google::protobuf as pb;
use ferromesh_proto::structs;
use ferromesh_types::{Locality, Str};
use ipnet::IpNet;

use super::refusal::{At, Refusal};
use crate::cluster::Address;

/// Longer times (Istio uses 292 years for "never") are cut to this, which is as good as forever.
const FOREVER: Duration = Duration::from_hours(100 * 365 * 24);

/// A duration; negative ones are refused.
pub(super) fn duration(value: pb::Duration) -> Result<Duration, Refusal> {
    let seconds = u64::try_from(value.seconds);
    let nanos = u32::try_from(value.nanos);
    match (seconds, nanos) {
        (Ok(seconds), Ok(nanos)) => Ok(Duration::new(seconds, nanos.min(999_999_999)).min(FOREVER)),
        _ => Err(Refusal::new("must not be negative")),
    }
}

/// A time limit: not set gives `default`, zero turns it off.
pub(super) fn limit(
    value: Option<pb::Duration>,
    default: Option<Duration>,
) -> Result<Option<Duration>, Refusal> {
    match value {
        None => Ok(default),
        Some(value) => {
            let span = duration(value)?;
            Ok((!span.is_zero()).then_some(span))
        }
    }
}

/// A wrapped bool, or `default`.
pub(super) fn flag(value: Option<pb::BoolValue>, default: bool) -> bool {
    value.map_or(default, |wrapped| wrapped.value)
}

/// A wrapped number.
pub(super) fn number(value: Option<pb::UInt32Value>) -> Option<u32> {
    value.map(|wrapped| wrapped.value)
}

/// A port number.
pub(super) fn port(value: u32) -> Result<u16, Refusal> {
    u16::try_from(value).map_err(|_| Refusal::new(format!("{value} is not a port number")))
}

/// The port of a socket address.
pub(super) fn socket_port(address: &core::SocketAddress) -> Result<u16, Refusal> {
    match &address.port_specifier {
        Some(PortSpecifier::PortValue(value)) => port(*value),
        Some(PortSpecifier::NamedPort(_)) => Err(Refusal::field("named_port", "is not supported")),
        None => Ok(0),
    }
}

/// An address that must be numeric.
pub(crate) fn address(value: Option<&core::Address>) -> Result<Address, Refusal> {
    match value.and_then(|address| address.address.as_ref()) {
        Some(AddressKind::SocketAddress(socket)) => {
            socket_address(socket).map(Address::Ip).at("socket_address")
        }
        Some(AddressKind::Pipe(pipe)) => Ok(Address::Unix(Path::new(&pipe.path).into())),
        Some(AddressKind::EnvoyInternalAddress(_)) => Err(Refusal::field(
            "envoy_internal_address",
            "internal listeners are not supported",
        )),
        None => Err(Refusal::new("an address is needed")),
    }
}

/// A numeric TCP address.
pub(super) fn socket_address(value: &core::SocketAddress) -> Result<SocketAddr, Refusal> {
    tcp_only(value)?;
    let ip = value.address.parse::<IpAddr>().map_err(|_| {
        let given = &value.address;
        Refusal::field("address", format!("{given:?} is not an IP address"))
    })?;
    Ok(SocketAddr::new(ip, socket_port(value).at("port_value")?))
}

/// Refuses UDP and what else a socket address may ask for.
pub(super) fn tcp_only(value: &core::SocketAddress) -> Result<(), Refusal> {
    if value.protocol != core::socket_address::Protocol::Tcp as i32 {
        return Err(Refusal::field("protocol", "only TCP is supported"));
    }
    if !value.resolver_name.is_empty() {
        return Err(Refusal::field("resolver_name", "is not supported"));
    }
    if !value.network_namespace_filepath.is_empty() {
        return Err(Refusal::field(
            "network_namespace_filepath",
            "is not supported",
        ));
    }
    Ok(())
}

/// A network.
pub(super) fn network(value: &core::CidrRange) -> Result<IpNet, Refusal> {
    let ip = value.address_prefix.parse::<IpAddr>().map_err(|_| {
        let given = &value.address_prefix;
        Refusal::field("address_prefix", format!("{given:?} is not an IP address"))
    })?;
    let length = number(value.prefix_len).unwrap_or(0);
    let length = u8::try_from(length).unwrap_or(u8::MAX);
    IpNet::new(ip, length)
        .map(|net| net.trunc())
        .map_err(|error| Refusal::field("prefix_len", error.to_string()))
}

/// A list of networks in field `field`.
pub(super) fn networks(values: &[core::CidrRange], field: &str) -> Result<Vec<IpNet>, Refusal> {
    let each = |(index, value)| network(value).at_index(field, index);
    values.iter().enumerate().map(each).collect()
}

/// A locality; not set is the empty one.
pub(super) fn locality(value: Option<core::Locality>) -> Locality {
    value.map_or_else(Locality::default, |value| Locality {
        region: value.region.into(),
        zone: value.zone.into(),
        sub_zone: value.sub_zone.into(),
    })
}

/// The bytes of a data source; files are read now.
pub(super) fn data(value: core::DataSource) -> Result<Vec<u8>, Refusal> {
    // `watched_directory` only tells which changes to look for; a changed file is read when the
    // resource is sent again.
    match value.specifier {
        Some(Specifier::InlineBytes(bytes)) => Ok(bytes),
        Some(Specifier::InlineString(text)) => Ok(text.into_bytes()),
        Some(Specifier::Filename(path)) => std::fs::read(&path)
            .map_err(|error| Refusal::field("filename", format!("{path} cannot be read: {error}"))),
        Some(Specifier::EnvironmentVariable(name)) => match std::env::var(&name) {
            Ok(value) => Ok(value.into_bytes()),
            Err(_) => Err(Refusal::field(
                "environment_variable",
                format!("{name} is not set"),
            )),
        },
        None => Err(Refusal::new("a file name or inline content is needed")),
    }
}

/// One namespace of a metadata message as a JSON object; empty when it is not there.
pub(super) fn metadata_object(
    metadata: Option<&core::Metadata>,
    namespace: &str,
) -> serde_json::Map<String, serde_json::Value> {
    let found = metadata.and_then(|metadata| metadata.filter_metadata.get(namespace));
    match found.map(structs::to_json) {
        Some(serde_json::Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    }
}

/// A string member of a JSON object; empty when it is not there.
pub(super) fn text_member(object: &serde_json::Map<String, serde_json::Value>, name: &str) -> Str {
    let text = object.get(name).and_then(serde_json::Value::as_str);
    text.unwrap_or_default().into()
}

/// Which kind of source a config source names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The aggregated stream.
    Ads,
    /// Another gRPC server: for secrets, the agent.
    Grpc,
}

/// Reads a config source; paths and REST are refused.
pub(crate) fn config_source(value: Option<&core::ConfigSource>) -> Result<Source, Refusal> {
    use ferromesh_proto::envoy::config::core::v3::config_source::ConfigSourceSpecifier as Kind;
    match value.and_then(|source| source.config_source_specifier.as_ref()) {
        Some(Kind::Ads(_) | Kind::Self_(_)) => Ok(Source::Ads),
        Some(Kind::ApiConfigSource(api)) if !api.grpc_services.is_empty() => Ok(Source::Grpc),
        Some(Kind::ApiConfigSource(_)) => Err(Refusal::field(
            "api_config_source",
            "only gRPC is supported",
        )),
        Some(Kind::Path(_) | Kind::PathConfigSource(_)) => Err(Refusal::new(
            "files as a source of config are not supported",
        )),
        None => Err(Refusal::new("a source of config is needed")),
    }
}
