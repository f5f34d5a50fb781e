//! Listener filters and the conditions that leave them out.

use ferromesh_proto::envoy::config::core::v3::proxy_protocol_config::Version;
use ferromesh_proto::envoy::config::listener::v3 as pb;
use ferromesh_proto::envoy::config::listener::v3::listener_filter::ConfigType;
use ferromesh_proto::envoy::config::listener::v3::listener_filter_chain_match_predicate::Rule;
use ferromesh_proto::envoy::extensions::filters::listener::proxy_protocol::v3::proxy_protocol::key_value_pair::ValueStringEncoding;
use ferromesh_proto::envoy::extensions::filters::listener::proxy_protocol::v3::{
    ProxyProtocol, proxy_protocol,
};
use ferromesh_proto::{any, type_url};

use super::fields::port;
use super::refusal::{At, Refusal, nothing_left};
use crate::compiled::{HeaderNote, ListenerFilter, ListenerFilterKind, ListenerPredicate};

/// Compiles the list in its order.
pub(super) fn compile(filters: Vec<pb::ListenerFilter>) -> Result<Vec<ListenerFilter>, Refusal> {
    let each = |(index, filter)| listener_filter(filter).at_index("listener_filters", index);
    filters.into_iter().enumerate().map(each).collect()
}

fn listener_filter(filter: pb::ListenerFilter) -> Result<ListenerFilter, Refusal> {
    Ok(ListenerFilter {
        kind: match filter.config_type {
            Some(ConfigType::TypedConfig(config)) => kind(&config).at("typed_config")?,
            Some(ConfigType::ConfigDiscovery(_)) => {
                return Err(Refusal::field("config_discovery", "is not supported"));
            }
            None => named(&filter.name)?,
        },
        disabled: filter
            .filter_disabled
            .map(predicate)
            .transpose()
            .at("filter_disabled")?,
    })
}

fn kind(config: &ferromesh_proto::google::protobuf::Any) -> Result<ListenerFilterKind, Refusal> {
    let resolved = any::resolve(config)?;
    match type_url::message_name(&resolved.type_url) {
        "envoy.extensions.filters.listener.original_dst.v3.OriginalDst" => {
            Ok(ListenerFilterKind::OriginalDestination)
        }
        // Settings of the inspectors concern buffers and fingerprints only.
        "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector" => {
            Ok(ListenerFilterKind::TlsInspector)
        }
        "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector" => {
            Ok(ListenerFilterKind::HttpInspector)
        }
        "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol" => {
            let mut value: ProxyProtocol = any::unpack(&resolved)?;
            let disallowed = std::mem::take(&mut value.disallowed_versions);
            let allow_without = std::mem::take(&mut value.allow_requests_without_proxy_protocol);
            let notes = notes(std::mem::take(&mut value.rules))?;
            value.stat_prefix.clear();
            nothing_left(&value)?;
            Ok(ListenerFilterKind::ProxyProtocol {
                allow_without,
                v1: !disallowed.contains(&(Version::V1 as i32)),
                v2: !disallowed.contains(&(Version::V2 as i32)),
                notes: notes.into(),
            })
        }
        name => Err(Refusal::new(format!(
            "the listener filter {name} is not supported"
        ))),
    }
}

/// The namespace of notes that name none.
const PROXY_PROTOCOL: &str = "envoy.filters.listener.proxy_protocol";

/// As in Envoy, the last rule for an entry is the one that holds.
fn notes(rules: Vec<proxy_protocol::Rule>) -> Result<Vec<HeaderNote>, Refusal> {
    let mut notes: Vec<HeaderNote> = Vec::new();
    for (index, rule) in rules.into_iter().enumerate() {
        let latest = note(rule).at_index("rules", index)?;
        notes.retain(|note| note.entry != latest.entry);
        notes.push(latest);
    }
    Ok(notes)
}

fn note(rule: proxy_protocol::Rule) -> Result<HeaderNote, Refusal> {
    let entry = u8::try_from(rule.tlv_type)
        .map_err(|_| Refusal::field("tlv_type", "is a number below 256"))?;
    let note = rule.on_tlv_present.unwrap_or_default();
    if note.key.is_empty() {
        return Err(Refusal::field("on_tlv_present.key", "is needed"));
    }
    let namespace = match note.metadata_namespace.as_str() {
        "" => PROXY_PROTOCOL,
        named => named,
    };
    Ok(HeaderNote {
        entry,
        namespace: namespace.into(),
        base64: note.value_string_encoding() == ValueStringEncoding::Base64,
        key: note.key,
    })
}

/// Filters that older configs give by name alone.
fn named(name: &str) -> Result<ListenerFilterKind, Refusal> {
    match name {
        "envoy.filters.listener.original_dst" => Ok(ListenerFilterKind::OriginalDestination),
        "envoy.filters.listener.tls_inspector" => Ok(ListenerFilterKind::TlsInspector),
        "envoy.filters.listener.http_inspector" => Ok(ListenerFilterKind::HttpInspector),
        _ => Err(Refusal::field("typed_config", "is needed")),
    }
}

fn predicate(value: pb::ListenerFilterChainMatchPredicate) -> Result<ListenerPredicate, Refusal> {
    match value.rule {
        Some(Rule::AnyMatch(_)) => Ok(ListenerPredicate::Any),
        Some(Rule::NotMatch(inner)) => {
            let inner = predicate(*inner).at("not_match")?;
            Ok(ListenerPredicate::Not(Box::new(inner)))
        }
        Some(Rule::OrMatch(set)) => all(set.rules).map(ListenerPredicate::Or).at("or_match"),
        Some(Rule::AndMatch(set)) => all(set.rules).map(ListenerPredicate::And).at("and_match"),
        Some(Rule::DestinationPortRange(range)) => {
            let start = u32::try_from(range.start).unwrap_or(0);
            Ok(ListenerPredicate::DestinationPort {
                start: port(start).at("destination_port_range.start")?,
                end: u32::try_from(range.end).unwrap_or(0),
            })
        }
        None => Err(Refusal::new("a rule is needed")),
    }
}

fn all(
    rules: Vec<pb::ListenerFilterChainMatchPredicate>,
) -> Result<Vec<ListenerPredicate>, Refusal> {
    let each = |(index, rule)| predicate(rule).at_index("rules", index);
    rules.into_iter().enumerate().map(each).collect()
}
