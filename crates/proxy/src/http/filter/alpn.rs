//! Offers other application protocols upstream, by the protocol of the request: how a sidecar tells
//! the other side's filter chain match what is inside the TLS.

use std::sync::Arc;

use ferromesh_http::Version;
use ferromesh_types::Str;

use crate::compiled::{AlpnOverride, Cluster, HttpFilter};

/// The protocols to offer instead of the transport's, with a number that tells pools apart.
pub(crate) fn override_for(
    filters: &[HttpFilter],
    cluster: &Cluster,
    upstream: Version,
) -> Option<(Vec<Str>, u64)> {
    if !cluster.alpn_override_allowed {
        return None;
    }
    let settings = filters.iter().find_map(|filter| match filter {
        HttpFilter::AlpnOverride(settings) => Some(settings),
        _ => None,
    })?;
    let (names, number) = match upstream {
        Version::Http10 => (&settings.http10, 1),
        Version::Http11 => (&settings.http11, 2),
        Version::Http2 => (&settings.http2, 3),
    };
    if names.is_empty() {
        return None;
    }
    Some((names.clone(), variant(settings, number)))
}

fn variant(settings: &Arc<AlpnOverride>, number: u64) -> u64 {
    // Addresses are aligned, so the low bits are free.
    (Arc::as_ptr(settings) as u64) | number
}
