//! HTTP filters, one file each. Hooks are synchronous.

pub(super) mod alpn;
pub(super) mod peer_metadata;

use ferromesh_http::{RequestHead, ResponseHead};

use crate::compiled::HttpFilter;

/// Lets the filters look at a request before it is routed.
pub(super) fn on_request(filters: &[HttpFilter], head: &mut RequestHead) {
    for filter in filters {
        match filter {
            HttpFilter::PeerMetadata(settings) => peer_metadata::on_request(*settings, head),
            HttpFilter::AlpnOverride(_) => {}
        }
    }
}

/// Lets the filters look at an answer, in the opposite order.
pub(super) fn on_response(filters: &[HttpFilter], head: &mut ResponseHead) {
    for filter in filters.iter().rev() {
        match filter {
            HttpFilter::PeerMetadata(settings) => peer_metadata::on_response(*settings, head),
            HttpFilter::AlpnOverride(_) => {}
        }
    }
}
