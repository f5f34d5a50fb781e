//! A call: one connection with, on HTTP, one request on it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ferromesh_route::request::PlainRequest;

/// Which way a connection goes, seen from the workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the workload; at a gateway, from its clients.
    #[default]
    Outbound,
    /// To the workload, redirected on its way.
    Inbound,
}

/// What is spoken, inside of TLS if there is TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// HTTP/2.
    Http2,
    /// Anything that does not look like HTTP.
    Tcp,
}

/// Whether the client opens TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// No.
    #[default]
    Plaintext,
    /// Yes, without a certificate of its own.
    Tls,
    /// Yes, with a certificate of the mesh.
    Mutual,
}

/// A call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which way it goes.
    pub direction: Direction,
    /// Where the client wants to go.
    pub destination: SocketAddr,
    /// Where it comes from.
    pub source: SocketAddr,
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether it opens TLS.
    pub tls: Tls,
    /// The server name of the TLS hello; empty sends none.
    pub server_name: String,
    /// Application protocols of the TLS hello; `None` for those that go with protocol and TLS.
    pub application_protocols: Option<Vec<String>>,
    /// The request; what is not HTTP has none to look at.
    pub request: PlainRequest,
    /// What decides about shares.
    pub random: u64,
}

impl Call {
    /// A plaintext HTTP call of `GET host/path` to `destination`.
    pub fn http(destination: SocketAddr, host: &str, path: &str) -> Self {
        Self {
            direction: Direction::Outbound,
            destination,
            source: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 255, 0, 1)), 40_000),
            protocol: Protocol::Http,
            tls: Tls::Plaintext,
            server_name: String::new(),
            application_protocols: None,
            request: PlainRequest::new(host, path),
            random: 0,
        }
    }

    /// What the TLS hello offers.
    pub(crate) fn offered(&self) -> Vec<&str> {
        if let Some(given) = &self.application_protocols {
            return given.iter().map(String::as_str).collect();
        }
        let usual: &[&str] = match (self.tls, self.protocol) {
            (Tls::Plaintext, _) | (Tls::Tls, Protocol::Tcp) => &[],
            (Tls::Tls, Protocol::Http) => &["http/1.1"],
            (Tls::Tls, Protocol::Http2) => &["h2"],
            (Tls::Mutual, Protocol::Http) => &["istio-http/1.1"],
            (Tls::Mutual, Protocol::Http2) => &["istio-h2"],
            (Tls::Mutual, Protocol::Tcp) => &["istio"],
        };
        usual.to_vec()
    }

    /// What the first bytes of a plaintext connection show.
    pub(crate) fn shown(&self) -> Vec<&'static str> {
        match self.protocol {
            Protocol::Http => vec!["http/1.1"],
            Protocol::Http2 => vec!["h2c"],
            Protocol::Tcp => Vec::new(),
        }
    }
}
