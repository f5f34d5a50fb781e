//! Listener filters: they look at a connection's first bytes or ask the kernel about it, before a
//! filter chain is chosen.
//!
//! Looking costs latency and breaks protocols in which the server speaks first, so an inspector is
//! switched off for the ports whose chains do not need it.

use ferromesh_proto::envoy::config::listener::v3::{
    ListenerFilter, ListenerFilterChainMatchPredicate,
    listener_filter::ConfigType,
    listener_filter_chain_match_predicate::{MatchSet, Rule},
};
use ferromesh_proto::envoy::extensions::filters::listener::http_inspector::v3::HttpInspector;
use ferromesh_proto::envoy::extensions::filters::listener::original_dst::v3::OriginalDst;
use ferromesh_proto::envoy::extensions::filters::listener::original_src::v3::OriginalSrc;
use ferromesh_proto::envoy::extensions::filters::listener::proxy_protocol::v3::ProxyProtocol;
use ferromesh_proto::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use ferromesh_proto::envoy::r#type::v3::Int32Range;
use prost::{Message, Name};

use crate::value::{any, number};

/// The mark that keeps the sidecar's own connections out of redirection in TPROXY mode.
const TPROXY_MARK: u32 = 1337;

/// Bytes of the first read of the TLS inspector; a ClientHello mostly fits.
const FIRST_READ: u32 = 512;

/// Restores the address that a redirected connection was going to.
pub(crate) fn original_destination() -> ListenerFilter {
    filter(
        "envoy.filters.listener.original_dst",
        &OriginalDst::default(),
    )
}

/// Keeps the client's address towards the application (TPROXY).
pub(crate) fn original_source() -> ListenerFilter {
    filter(
        "envoy.filters.listener.original_src",
        &OriginalSrc {
            mark: TPROXY_MARK,
            ..Default::default()
        },
    )
}

/// Recognises TLS, its server name and ALPN.
pub(crate) fn tls_inspector() -> ListenerFilter {
    filter(
        "envoy.filters.listener.tls_inspector",
        &TlsInspector {
            initial_read_buffer_size: number(FIRST_READ),
            ..Default::default()
        },
    )
}

/// Recognises plaintext HTTP and its version.
pub(crate) fn http_inspector() -> ListenerFilter {
    filter(
        "envoy.filters.listener.http_inspector",
        &HttpInspector::default(),
    )
}

/// Reads the PROXY protocol's header.
pub(crate) fn proxy_protocol() -> ListenerFilter {
    filter(
        "envoy.filters.listener.proxy_protocol",
        &ProxyProtocol::default(),
    )
}

/// Switches `filter` off for connections to the given destination ports.
pub(crate) fn disabled_for(mut filter: ListenerFilter, ports: &[u16]) -> ListenerFilter {
    filter.filter_disabled = any_port(ports);
    filter
}

/// Switches `filter` off for connections to all but the given destination ports.
pub(crate) fn enabled_only_for(mut filter: ListenerFilter, ports: &[u16]) -> ListenerFilter {
    filter.filter_disabled = any_port(ports).map(|rule| ListenerFilterChainMatchPredicate {
        rule: Some(Rule::NotMatch(Box::new(rule))),
    });
    filter
}

fn any_port(ports: &[u16]) -> Option<ListenerFilterChainMatchPredicate> {
    let rules: Vec<_> = ports.iter().map(|&port| one_port(port)).collect();
    match rules.len() {
        0 => None,
        1 => rules.into_iter().next(),
        _ => Some(ListenerFilterChainMatchPredicate {
            rule: Some(Rule::OrMatch(MatchSet { rules })),
        }),
    }
}

/// The range's end is exclusive.
fn one_port(port: u16) -> ListenerFilterChainMatchPredicate {
    ListenerFilterChainMatchPredicate {
        rule: Some(Rule::DestinationPortRange(Int32Range {
            start: i32::from(port),
            end: i32::from(port) + 1,
        })),
    }
}

fn filter<M: Message + Name>(name: &str, config: &M) -> ListenerFilter {
    ListenerFilter {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(config))),
        ..Default::default()
    }
}
