//! TLS configurations from SVIDs, peer verification, ALPN; the only dependant of rustls.
//!
//! In: secrets by name ([`SecretStore`], written by the agent or by xDS) and settings of one
//! listener or cluster. Out: [`TlsServer`] and [`TlsClient`], which wrap streams. A rustls
//! configuration is built once per generation of the secrets it uses, not per connection; a new
//! generation also starts with an empty session cache, so no session outlives its certificates.
//!
//! | file | concern |
//! |---|---|
//! | `secret` | certificate chains with keys, trusted roots, the store |
//! | `settings` | what one listener or cluster asks for |
//! | `server`, `client` | handshakes |
//! | `certificates` | which of several certificates a client gets |
//! | `verify`, `san` | chain and subject alternative name checks |
//! | `session` | what a handshake established |
//! | `peer` | what a verified peer certificate says |
//! | `client_hello` | server name and ALPN of a ClientHello that is not consumed |

mod certificates;
mod client;
mod client_hello;
mod error;
mod peer;
mod san;
mod secret;
mod server;
mod session;
mod settings;
mod stream;
mod suite;
mod verify;

pub use client::TlsClient;
pub use client_hello::{ClientHello, Inspected, inspect_client_hello};
pub use error::TlsError;
pub use peer::PeerCertificate;
pub use san::{SanKind, SanMatcher, SanPattern};
pub use secret::{Identity, Secret, SecretStore, Secrets, TrustedRoots};
pub use server::TlsServer;
pub use session::Session;
pub use settings::{
    ClientAuth, ClientSettings, Pins, ServerSettings, ServerTrust, TlsParameters, TlsVersion,
};
pub use stream::{ClientStream, ServerStream};

/// The cryptography in use (aws-lc-rs), for other users of rustls in the same process.
///
/// Libraries that build their own rustls configurations (none in the data plane) need a process
/// default; calling this more than once is harmless.
pub fn install_default_provider() {
    // An error only says that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
