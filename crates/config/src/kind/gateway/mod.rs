//! `Gateway`: the ports that a gateway workload opens, and for which hosts.

pub(crate) mod check;
mod tls;

use ferromesh_types::{Protocol, Selector, Str};
use serde::Deserialize;

pub use tls::{ServerTlsMode, ServerTlsSettings, TlsCertificate, TlsProtocol};

/// Servers on the workloads that the selector names.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Gateway {
    /// What to open.
    pub servers: Vec<Server>,
    /// Labels of the gateway workloads.
    pub selector: Selector,
    /// Whether it was made from a Gateway of the Gateway API, which nobody can write as YAML. It is
    /// for workloads of its own namespace alone, unless it is bound to Services.
    #[serde(skip)]
    pub is_made: bool,
}

/// One open port for some hosts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Server {
    /// The port.
    pub port: Option<ServerPort>,
    /// The address to bind; empty is all addresses.
    pub bind: Str,
    /// The hosts, as `host` or `namespace/host`, with wildcards.
    pub hosts: Vec<Str>,
    /// TLS of the port.
    pub tls: Option<ServerTlsSettings>,
    /// Declared by the API and without effect.
    pub default_endpoint: Str,
    /// A name, unique in the Gateway.
    pub name: Str,
}

/// A port with its protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServerPort {
    /// The number.
    pub number: u16,
    /// The protocol by name, in any case.
    pub protocol: Str,
    /// A name.
    pub name: Str,
    /// Declared by the API; without effect on Gateways and Sidecars.
    pub target_port: Option<u16>,
}

impl ServerPort {
    /// The protocol.
    pub fn protocol(&self) -> Protocol {
        Protocol::parse(&self.protocol)
    }
}

/// The cipher suites of TLS 1.2 that can be chosen, by OpenSSL's names; those of TLS 1.3 cannot.
pub const CIPHER_SUITES: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
];
