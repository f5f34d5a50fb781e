//! The cases: what is sent through which kind of proxy, and which peers can be compared.

use super::peer::Peer;
use super::peer::Peer::{Envoy, Ferromesh, Haproxy, Nginx, Relay};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name, as issue and report have it.
    pub name: &'static str,
    /// How the proxies are set up.
    pub shape: Shape,
    /// What is sent.
    pub load: Load,
    /// Who takes part.
    pub peers: &'static [Peer],
    /// Upper bounds of our figure divided by a peer's.
    pub targets: &'static [(Peer, f64)],
}

/// How a proxy is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// HTTP/1.1 in, HTTP/1.1 out, one route.
    Http1,
    /// The same behind TLS.
    Tls,
    /// HTTP/1.1 into one proxy, mutual TLS to a second one, HTTP/1.1 out.
    MutualTlsPair,
    /// HTTP/2 without TLS on both sides.
    Http2,
    /// TCP.
    Tcp,
    /// One hundred routes, of which the last one matches.
    Routes,
    /// One thousand clusters.
    Clusters,
    /// With what a sidecar does besides: an access log in a file, ten rules of access control.
    Sidecar,
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// Kept HTTP/1.1 connections, as fast as answers come; `wrk`.
    Wrk {
        connections: u32,
        path: &'static str,
    },
    /// A connection per request; our own driver.
    Connect { tls: Option<&'static str> },
    /// HTTP/2 connections with so many streams each; `h2load`.
    Http2 {
        connections: u32,
        streams: u32,
        grpc: bool,
    },
    /// 1 MiB after the other; our own driver.
    Bulk,
}

const ALL: &[Peer] = &[Ferromesh, Relay, Envoy, Haproxy, Nginx];
const WITH_TLS: &[Peer] = &[Ferromesh, Envoy, Haproxy, Nginx];
const HTTP2: &[Peer] = &[Ferromesh, Envoy, Haproxy];
const WITH_ENVOY: &[Peer] = &[Ferromesh, Envoy];

const fn wrk(connections: u32, path: &'static str) -> Load {
    Load::Wrk { connections, path }
}

const fn http2(connections: u32, streams: u32, grpc: bool) -> Load {
    Load::Http2 {
        connections,
        streams,
        grpc,
    }
}

const fn case(
    name: &'static str,
    shape: Shape,
    load: Load,
    peers: &'static [Peer],
    targets: &'static [(Peer, f64)],
) -> Case {
    Case {
        name,
        shape,
        load,
        peers,
        targets,
    }
}

/// The targets are those of the project's issue on the request path.
pub const CASES: [Case; 14] = [
    case(
        "http1-64B",
        Shape::Http1,
        wrk(64, "/64"),
        ALL,
        &[(Envoy, 0.20), (Haproxy, 0.85), (Relay, 1.35)],
    ),
    case(
        "http1-10KiB",
        Shape::Http1,
        wrk(64, "/10240"),
        ALL,
        &[(Envoy, 0.3)],
    ),
    case("http1-1000c", Shape::Http1, wrk(1000, "/64"), ALL, &[]),
    case(
        "new-connection",
        Shape::Http1,
        Load::Connect { tls: None },
        ALL,
        &[],
    ),
    case(
        "tls-resumed",
        Shape::Tls,
        Load::Connect {
            tls: Some("resumed"),
        },
        WITH_TLS,
        &[],
    ),
    case(
        "tls-full",
        Shape::Tls,
        Load::Connect { tls: Some("full") },
        WITH_TLS,
        &[(Envoy, 1.0), (Haproxy, 1.0)],
    ),
    case(
        "mtls-pair",
        Shape::MutualTlsPair,
        wrk(64, "/64"),
        WITH_ENVOY,
        &[(Envoy, 0.35)],
    ),
    case(
        "h2-1x100",
        Shape::Http2,
        http2(1, 100, false),
        HTTP2,
        &[(Envoy, 0.25)],
    ),
    case(
        "h2-50x10",
        Shape::Http2,
        http2(50, 10, false),
        HTTP2,
        &[(Envoy, 0.25)],
    ),
    case(
        "grpc-unary",
        Shape::Http2,
        http2(10, 10, true),
        HTTP2,
        &[(Envoy, 0.25)],
    ),
    case(
        "tcp-1MiB",
        Shape::Tcp,
        Load::Bulk,
        &[Ferromesh, Relay, Envoy, Haproxy],
        // Nine tenths of the relay's bytes per CPU second.
        &[(Relay, 1.0 / 0.9)],
    ),
    case(
        "routes-100",
        Shape::Routes,
        wrk(64, "/r99/64"),
        WITH_ENVOY,
        &[],
    ),
    case(
        "clusters-1000",
        Shape::Clusters,
        wrk(64, "/64"),
        WITH_ENVOY,
        &[],
    ),
    case(
        "sidecar-full",
        Shape::Sidecar,
        wrk(64, "/64"),
        WITH_ENVOY,
        &[],
    ),
];
