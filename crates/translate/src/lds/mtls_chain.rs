//! Which connections an inbound port takes, by mutual TLS mode and protocol.
//!
//! In: the mode of the port and what is spoken on it. Out: the filter chains in order of the table:
//! what the connection looks like, whether TLS is ended, and whether HTTP or bytes are inside.
//! A connection that no row describes is closed: that is how STRICT refuses plaintext.

use ferromesh_model::MtlsMode;
use ferromesh_types::Protocol;

use crate::tls::alpn;

/// HTTP inside mutual TLS of the mesh.
const MESH_HTTP: &[&str] = &[alpn::ISTIO_HTTP10, alpn::ISTIO_HTTP11, alpn::ISTIO_H2];
/// Bytes inside mutual TLS of the mesh.
const MESH_BYTES: &[&str] = &[alpn::PEER_EXCHANGE, alpn::ISTIO];
/// Anything inside mutual TLS of the mesh.
const MESH_ANY: &[&str] = &[
    alpn::ISTIO,
    alpn::PEER_EXCHANGE,
    alpn::ISTIO_HTTP10,
    alpn::ISTIO_HTTP11,
    alpn::ISTIO_H2,
];
/// HTTP in plaintext.
const PLAIN_HTTP: &[&str] = &[alpn::HTTP11, alpn::H2C];

/// One kind of connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Whether the connection begins with a ClientHello.
    pub(super) tls: bool,
    /// Application protocols of which it must show one; empty is any.
    pub(super) alpn: &'static [&'static str],
    /// Whether HTTP is inside.
    pub(super) http: bool,
    /// Whether the sidecar ends the TLS. TLS of the application passes untouched.
    pub(super) terminate: bool,
}

const fn mutual(alpn: &'static [&'static str], http: bool) -> Row {
    Row {
        tls: true,
        alpn,
        http,
        terminate: true,
    }
}

const fn plain(alpn: &'static [&'static str], http: bool) -> Row {
    Row {
        tls: false,
        alpn,
        http,
        terminate: false,
    }
}

/// TLS of the application itself.
const UNTOUCHED: Row = Row {
    tls: true,
    alpn: &[],
    http: false,
    terminate: false,
};

const PERMISSIVE_AUTO: &[Row] = &[
    mutual(MESH_HTTP, true),
    plain(PLAIN_HTTP, true),
    mutual(MESH_BYTES, false),
    plain(&[], false),
    UNTOUCHED,
];
const PERMISSIVE_HTTP: &[Row] = &[mutual(MESH_ANY, true), plain(&[], true)];
const PERMISSIVE_BYTES: &[Row] = &[mutual(MESH_ANY, false), UNTOUCHED, plain(&[], false)];
const STRICT_AUTO: &[Row] = &[mutual(MESH_HTTP, true), mutual(&[], false)];
const STRICT_HTTP: &[Row] = &[mutual(&[], true)];
const STRICT_BYTES: &[Row] = &[mutual(&[], false)];
const DISABLE_AUTO: &[Row] = &[plain(PLAIN_HTTP, true), plain(&[], false)];
const DISABLE_HTTP: &[Row] = &[plain(&[], true)];
const DISABLE_BYTES: &[Row] = &[plain(&[], false)];

/// The only row of a port with TLS of its own: the sidecar ends every client's TLS.
pub(super) fn own_tls(protocol: Protocol) -> Row {
    mutual(&[], protocol.is_http())
}

/// The rows for a port.
pub(super) fn rows(mode: MtlsMode, protocol: Protocol) -> &'static [Row] {
    let choose = |auto, http, bytes| match protocol {
        _ if protocol.is_auto() => auto,
        _ if protocol.is_http() => http,
        _ => bytes,
    };
    match mode {
        MtlsMode::Permissive => choose(PERMISSIVE_AUTO, PERMISSIVE_HTTP, PERMISSIVE_BYTES),
        MtlsMode::Strict => choose(STRICT_AUTO, STRICT_HTTP, STRICT_BYTES),
        MtlsMode::Disable => choose(DISABLE_AUTO, DISABLE_HTTP, DISABLE_BYTES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_takes_no_plaintext_and_disable_no_tls() {
        for protocol in [Protocol::Auto, Protocol::Http, Protocol::Tcp] {
            assert!(
                rows(MtlsMode::Strict, protocol)
                    .iter()
                    .all(|row| row.tls && row.terminate)
            );
            assert!(rows(MtlsMode::Disable, protocol).iter().all(|row| !row.tls));
        }
    }

    #[test]
    fn permissive_takes_both_and_passes_the_applications_own_tls_on() {
        for protocol in [Protocol::Auto, Protocol::Http, Protocol::Tcp] {
            let rows = rows(MtlsMode::Permissive, protocol);
            assert!(rows.iter().any(|row| !row.tls), "{protocol}");
            assert!(rows.iter().any(|row| row.terminate), "{protocol}");
            assert_eq!(rows.contains(&UNTOUCHED), !protocol.is_http(), "{protocol}");
        }
    }
}
