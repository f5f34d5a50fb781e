//! How the client of a row gets to its listener.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::client::{self, Received, Step};
use super::{http2, tls};

/// How a client gets to the listener, and what the listener needs for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In the clear, with bytes as the row has them.
    Plain,
    /// Over TLS, without a certificate of the client's.
    Tls,
    /// Over TLS with one.
    MutualTls,
    /// HTTP/2 in the clear: each `Send` is a whole request, written as HTTP/1.1.
    Http2,
}

impl Way {
    /// What the filter chain needs.
    pub fn transport_socket(self) -> Option<Value> {
        let tls = matches!(self, Self::Tls | Self::MutualTls);
        tls.then(|| {
            json!({"name": "tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.\
                          DownstreamTlsContext",
                "common_tls_context": {
                    "tls_certificates": [{
                        "certificate_chain": {"filename": "$CERTIFICATES/cert.pem"},
                        "private_key": {"filename": "$CERTIFICATES/key.pem"},
                    }],
                    "validation_context": {"trusted_ca": {"filename": "$CERTIFICATES/ca.pem"}},
                },
            }})
        })
    }

    /// Plays the steps against the listener.
    pub fn play(self, steps: &[Step], listener: SocketAddr, certificates: &Path) -> Received {
        match self {
            Self::Plain => client::play(steps, listener),
            Self::Http2 => http2::play(steps, listener),
            Self::Tls | Self::MutualTls => {
                let client = tls::client(certificates, self == Self::MutualTls);
                match client.and_then(|client| tls::tunnel(client, listener)) {
                    Ok(tunnel) => client::play(steps, tunnel),
                    Err(_) => Received {
                        end: "no TLS",
                        ..Received::default()
                    },
                }
            }
        }
    }
}
