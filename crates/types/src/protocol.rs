//! The protocol of a service port and how Kubernetes objects declare it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is spoken on a port. `Auto` means that nothing was declared and the proxy looks for itself.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/2, with or without TLS inside.
    Http2,
    /// gRPC, over HTTP/2.
    Grpc,
    /// gRPC-Web, over HTTP/1.1 or HTTP/2.
    GrpcWeb,
    /// HTTP inside TLS that the mesh does not open.
    Https,
    /// TLS that the mesh does not open.
    Tls,
    /// Bytes.
    Tcp,
    /// MongoDB.
    Mongo,
    /// Redis.
    Redis,
    /// MySQL.
    MySql,
    /// HTTP CONNECT tunnels of ambient meshes.
    Hbone,
    /// Datagrams; never proxied.
    Udp,
    /// Not declared.
    #[default]
    Auto,
}

impl Protocol {
    /// Reads a protocol name, in any case (`http`, `HTTP2`, `grpc-web`). Unknown names are `Auto`.
    pub fn parse(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "http" => Self::Http,
            "http2" => Self::Http2,
            "grpc" => Self::Grpc,
            "grpc-web" => Self::GrpcWeb,
            "https" => Self::Https,
            "tls" => Self::Tls,
            "tcp" => Self::Tcp,
            "mongo" => Self::Mongo,
            "redis" => Self::Redis,
            "mysql" => Self::MySql,
            "hbone" => Self::Hbone,
            "udp" => Self::Udp,
            _ => Self::Auto,
        }
    }

    /// The protocol of a Kubernetes service port, by Istio's rules: UDP by transport, then
    /// `appProtocol`, then the prefix of the port's name (`http`, `grpc-web`, `mongo-main`), else
    /// `Auto`.
    pub fn of_service_port(transport: &str, app_protocol: Option<&str>, name: &str) -> Self {
        if transport.eq_ignore_ascii_case("udp") {
            return Self::Udp;
        }
        if let Some(declared) = app_protocol {
            return match declared {
                "kubernetes.io/h2c" => Self::Http2,
                "kubernetes.io/ws" => Self::Http,
                "kubernetes.io/wss" => Self::Https,
                other => Self::parse(other),
            };
        }
        let lower = name.to_ascii_lowercase();
        if lower == "grpc-web" || lower.starts_with("grpc-web-") {
            return Self::GrpcWeb;
        }
        Self::parse(lower.split('-').next().unwrap_or_default())
    }

    /// Whether requests can be told apart: the port gets HTTP routes.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    /// Whether the port speaks HTTP/2 for certain.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    /// Whether the port is handled as bytes (TLS that is passed through included).
    pub fn is_tcp(self) -> bool {
        matches!(
            self,
            Self::Tcp | Self::Https | Self::Tls | Self::Mongo | Self::Redis | Self::MySql
        )
    }

    /// Whether the port carries TLS that the mesh does not open.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    /// Whether the proxy must look at the first bytes.
    pub fn is_auto(self) -> bool {
        self == Self::Auto
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP",
            Self::Http2 => "HTTP2",
            Self::Grpc => "GRPC",
            Self::GrpcWeb => "GRPC-Web",
            Self::Https => "HTTPS",
            Self::Tls => "TLS",
            Self::Tcp => "TCP",
            Self::Mongo => "Mongo",
            Self::Redis => "Redis",
            Self::MySql => "MySQL",
            Self::Hbone => "HBONE",
            Self::Udp => "UDP",
            Self::Auto => "UnsupportedProtocol",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_known_by_app_protocol_before_its_name() {
        for (transport, app, name, expected) in [
            ("TCP", None, "http-web", Protocol::Http),
            ("TCP", None, "HTTP2", Protocol::Http2),
            ("TCP", None, "grpc-web-x", Protocol::GrpcWeb),
            ("TCP", None, "grpc-api", Protocol::Grpc),
            ("TCP", Some("tcp"), "http", Protocol::Tcp),
            ("TCP", Some("kubernetes.io/h2c"), "web", Protocol::Http2),
            ("UDP", Some("http"), "http", Protocol::Udp),
            ("TCP", None, "web", Protocol::Auto),
            ("TCP", None, "", Protocol::Auto),
            ("TCP", None, "httpx", Protocol::Auto),
        ] {
            let found = Protocol::of_service_port(transport, app, name);
            assert_eq!(found, expected, "{transport} {app:?} {name}");
        }
    }
}
