//! Keeps Istio's peer metadata headers away from applications.

use ferromesh_http::{Headers, RequestHead, ResponseHead};

use crate::compiled::PeerMetadata;

/// Before routing.
pub(super) fn on_request(settings: PeerMetadata, head: &mut RequestHead) {
    if settings.strip_request {
        strip(&mut head.headers);
    }
}

/// On the way back.
pub(super) fn on_response(settings: PeerMetadata, head: &mut ResponseHead) {
    if settings.strip_response {
        strip(&mut head.headers);
    }
}

fn strip(headers: &mut Headers) {
    headers.remove("x-envoy-peer-metadata");
    headers.remove("x-envoy-peer-metadata-id");
}
