//! What a TLS handshake established, as logs and fields tell it.

use std::sync::Arc;

use ferromesh_types::Str;
use rustls::{CommonState, ProtocolVersion};

use crate::peer::PeerCertificate;
use crate::suite;

/// What a handshake established, on either side.
#[derive(Clone, Debug)]
pub struct Session {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite by OpenSSL's name; empty when it has none.
    pub cipher: &'static str,
    /// The group of the key exchange; empty when it is not known.
    pub group: &'static str,
    /// The server name that the client sent; empty without.
    pub server_name: Str,
    /// The other side's certificate.
    pub peer: Option<PeerCertificate>,
    /// Our own, where we are the server.
    pub local: Option<Arc<PeerCertificate>>,
}

impl Session {
    pub(crate) fn new(state: &CommonState, server_name: Str) -> Self {
        let group = state.negotiated_key_exchange_group();
        Self {
            version: version(state),
            cipher: state.negotiated_cipher_suite().map_or("", suite::name),
            group: group.map_or("", |group| suite::group_name(group.name())),
            server_name,
            peer: peer(state),
            local: None,
        }
    }

    /// With our own certificate.
    pub fn with_local(mut self, local: Option<Arc<PeerCertificate>>) -> Self {
        self.local = local;
        self
    }
}

fn version(state: &CommonState) -> &'static str {
    match state.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLSv1.2",
    }
}

fn peer(state: &CommonState) -> Option<PeerCertificate> {
    PeerCertificate::from_chain(state.peer_certificates()?.iter().map(AsRef::as_ref))
}
