//! `AuthorizationPolicy`: who may call what.

use ferromesh_types::Str;
mod check;

use serde::Deserialize;

use crate::value::{LabelSelector, PolicyTargetReference};

/// An action for the requests that match a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuthorizationPolicy {
    /// The workloads; absent is the whole namespace, or the mesh in the root namespace.
    pub selector: Option<LabelSelector>,
    /// Older, single spelling of `targetRefs`.
    pub target_ref: Option<PolicyTargetReference>,
    /// Objects that the policy is attached to.
    pub target_refs: Vec<PolicyTargetReference>,
    /// Any rule is enough. No rule matches nothing; an empty rule matches everything.
    pub rules: Vec<Rule>,
    /// What happens to requests that match.
    pub action: Action,
    /// Who decides, for CUSTOM.
    pub provider: Option<ExtensionProviderRef>,
}

/// What happens to requests that match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// They are let through; the others are refused.
    #[default]
    Allow,
    /// They are refused.
    Deny,
    /// They are marked for audit.
    Audit,
    /// An external authorizer decides.
    Custom,
}

/// A provider of the mesh config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtensionProviderRef {
    /// Its name.
    pub name: Str,
}

/// Conditions of a rule; empty sections match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rule {
    /// Sources; any one of them is enough.
    pub from: Vec<From>,
    /// Operations; any one of them is enough.
    pub to: Vec<To>,
    /// Conditions that all have to hold.
    pub when: Vec<Condition>,
}

/// A source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct From {
    /// The source.
    pub source: Option<Source>,
}

/// Who calls. All fields that are set have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Source {
    /// Identities of the peer certificate, as `trust-domain/ns/NAMESPACE/sa/ACCOUNT`.
    pub principals: Vec<Str>,
    /// Identities that must not match.
    pub not_principals: Vec<Str>,
    /// Identities of the token, as `ISSUER/SUBJECT`.
    pub request_principals: Vec<Str>,
    /// Identities of the token that must not match.
    pub not_request_principals: Vec<Str>,
    /// Namespaces of the peer certificate.
    pub namespaces: Vec<Str>,
    /// Namespaces that must not match.
    pub not_namespaces: Vec<Str>,
    /// Service accounts as `NAMESPACE/ACCOUNT` or `ACCOUNT`.
    pub service_accounts: Vec<Str>,
    /// Service accounts that must not match.
    pub not_service_accounts: Vec<Str>,
    /// Trust domains of the peer certificate.
    pub trust_domains: Vec<Str>,
    /// Trust domains that must not match.
    pub not_trust_domains: Vec<Str>,
    /// Addresses of the peer.
    pub ip_blocks: Vec<Str>,
    /// Addresses of the peer that must not match.
    pub not_ip_blocks: Vec<Str>,
    /// Addresses of the first client, from `X-Forwarded-For` or the PROXY protocol.
    pub remote_ip_blocks: Vec<Str>,
    /// Addresses of the first client that must not match.
    pub not_remote_ip_blocks: Vec<Str>,
}

/// An operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct To {
    /// The operation.
    pub operation: Option<Operation>,
}

/// What is called. All fields that are set have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Operation {
    /// Hosts.
    pub hosts: Vec<Str>,
    /// Hosts that must not match.
    pub not_hosts: Vec<Str>,
    /// Ports.
    pub ports: Vec<Str>,
    /// Ports that must not match.
    pub not_ports: Vec<Str>,
    /// Methods.
    pub methods: Vec<Str>,
    /// Methods that must not match.
    pub not_methods: Vec<Str>,
    /// Paths.
    pub paths: Vec<Str>,
    /// Paths that must not match.
    pub not_paths: Vec<Str>,
}

/// A condition on an attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Condition {
    /// The attribute, as in `request.headers[x-token]`.
    pub key: Str,
    /// Values of which one has to match.
    pub values: Vec<Str>,
    /// Values of which none may match.
    pub not_values: Vec<Str>,
}
