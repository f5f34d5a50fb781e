//! `Gateway` of the Gateway API: listeners for requests from outside, and which routes they take.

use std::collections::BTreeMap;

use ferromesh_types::{Selector, Str};
use serde::Deserialize;

use super::{LocalReference, ObjectReference};

/// Listeners that are bound together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Gateway {
    /// The class, which says who serves it.
    pub gateway_class_name: Str,
    /// The listeners.
    pub listeners: Vec<Listener>,
    /// Where it is reached; a host name is that of the Service in front of existing pods.
    pub addresses: Vec<GatewayAddress>,
    /// About the pods that are made for it.
    pub infrastructure: Option<Infrastructure>,
    /// Which ListenerSets may add listeners. Has no effect.
    pub allowed_listeners: Option<serde_json::Map<String, serde_json::Value>>,
    /// TLS for all listeners.
    pub tls: Option<GatewayTls>,
    /// Whether routes are attached without naming it. Has no effect.
    pub default_scope: Str,
}

/// A port that is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Listener {
    /// A name, unique in the Gateway.
    pub name: Str,
    /// The hosts that it is for; empty is all.
    pub hostname: Str,
    /// The port.
    pub port: u16,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`.
    pub protocol: Str,
    /// TLS of the port.
    pub tls: Option<ListenerTls>,
    /// Which routes may be attached.
    pub allowed_routes: AllowedRoutes,
}

/// TLS of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListenerTls {
    /// Whether TLS ends here.
    pub mode: ListenerTlsMode,
    /// Secrets with the certificates.
    pub certificate_refs: Vec<ObjectReference>,
    /// Settings of implementations.
    pub options: BTreeMap<Str, Str>,
}

/// What a listener does with TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum ListenerTlsMode {
    /// Ends it.
    #[default]
    Terminate,
    /// Passes it on.
    Passthrough,
}

/// Which routes may be attached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AllowedRoutes {
    /// Of which namespaces.
    pub namespaces: RouteNamespaces,
    /// Of which kinds; empty is all that fit the protocol.
    pub kinds: Vec<RouteGroupKind>,
}

/// Namespaces of routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteNamespaces {
    /// Which.
    pub from: From,
    /// Those with these labels, with `from: Selector`.
    pub selector: Option<NamespaceSelector>,
}

/// Which namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum From {
    /// All.
    All,
    /// Those that the selector selects.
    Selector,
    /// The Gateway's own.
    #[default]
    Same,
    /// None.
    None,
}

/// A condition on labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NamespaceSelector {
    /// Labels with their values.
    pub match_labels: Selector,
    /// Conditions that all have to hold as well.
    pub match_expressions: Vec<Expression>,
}

/// A condition on one label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Expression {
    /// The label.
    pub key: Str,
    /// What must hold.
    pub operator: Operator,
    /// The values to compare with.
    pub values: Vec<Str>,
}

/// What must hold of a label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum Operator {
    /// It has one of the values.
    #[default]
    In,
    /// It has none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

/// A kind of routes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteGroupKind {
    /// Its API group.
    pub group: Str,
    /// Its name.
    pub kind: Str,
}

impl Default for RouteGroupKind {
    fn default() -> Self {
        Self {
            group: super::GROUP.into(),
            kind: Str::default(),
        }
    }
}

/// Where a Gateway is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayAddress {
    /// What the value is.
    pub r#type: AddressType,
    /// The address; empty asks for any.
    pub value: Str,
}

/// Forms of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum AddressType {
    /// An address of the Service that is made for the Gateway.
    #[default]
    #[serde(rename = "IPAddress")]
    IpAddress,
    /// The host name of an existing Service.
    Hostname,
}

/// About the pods that are made for a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Infrastructure {
    /// Their labels.
    pub labels: BTreeMap<Str, Str>,
    /// Their annotations.
    pub annotations: BTreeMap<Str, Str>,
    /// An object with more.
    pub parameters_ref: Option<LocalReference>,
}

/// TLS for all listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayTls {
    /// Towards backends. Has no effect.
    pub backend: Option<serde_json::Map<String, serde_json::Value>>,
    /// Towards clients.
    pub frontend: Option<Frontend>,
}

/// TLS towards clients, for listeners of HTTPS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Frontend {
    /// Of ports without a word of their own.
    pub default: FrontendTls,
    /// Of single ports.
    pub per_port: Vec<PortTls>,
}

/// TLS of one port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PortTls {
    /// The port.
    pub port: u16,
    /// Its TLS.
    pub tls: FrontendTls,
}

/// TLS towards clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FrontendTls {
    /// How client certificates are verified; absent asks for none.
    pub validation: Option<FrontendValidation>,
}

/// How client certificates are verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FrontendValidation {
    /// ConfigMaps with roots under `ca.crt`.
    pub ca_certificate_refs: Vec<ObjectReference>,
    /// What happens without a good certificate.
    pub mode: ClientValidationMode,
}

/// What happens to clients without a good certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum ClientValidationMode {
    /// They are refused.
    #[default]
    AllowValidOnly,
    /// They are served.
    AllowInsecureFallback,
}
