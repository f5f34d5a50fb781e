//! What happens to a request between a match and its backend.

use ferromesh_types::Str;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{LocalReference, ServiceReference};

/// One step; `type` says which of the fields holds it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteFilter {
    /// Which step.
    pub r#type: Option<FilterType>,
    /// Changes of request headers.
    pub request_header_modifier: Option<HeaderModifier>,
    /// Changes of response headers.
    pub response_header_modifier: Option<HeaderModifier>,
    /// A copy of the request.
    pub request_mirror: Option<RequestMirror>,
    /// A redirect as answer.
    pub request_redirect: Option<RequestRedirect>,
    /// Changes of host and path.
    pub url_rewrite: Option<UrlRewrite>,
    /// Cross-origin resource sharing.
    pub cors: Option<CorsFilter>,
    /// Another server decides. Not served: a rule with it answers 500.
    pub external_auth: Option<Map<String, Value>>,
    /// A filter of another API. Not served: a rule with it answers 500.
    pub extension_ref: Option<LocalReference>,
}

/// The steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub enum FilterType {
    /// `requestHeaderModifier`.
    RequestHeaderModifier,
    /// `responseHeaderModifier`.
    ResponseHeaderModifier,
    /// `requestMirror`.
    RequestMirror,
    /// `requestRedirect`.
    RequestRedirect,
    /// `urlRewrite`.
    #[serde(rename = "URLRewrite")]
    UrlRewrite,
    /// `cors`.
    #[serde(rename = "CORS")]
    Cors,
    /// `externalAuth`.
    ExternalAuth,
    /// `extensionRef`.
    ExtensionRef,
}

/// Changes of headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeaderModifier {
    /// Headers to overwrite.
    pub set: Vec<HttpHeader>,
    /// Headers to append.
    pub add: Vec<HttpHeader>,
    /// Headers to remove.
    pub remove: Vec<Str>,
}

/// A header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpHeader {
    /// Its name.
    pub name: Str,
    /// Its value.
    pub value: Str,
}

/// A copy of requests to another destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RequestMirror {
    /// Where to.
    pub backend_ref: ServiceReference,
    /// The share in percent; absent is all.
    pub percent: Option<u32>,
    /// The share as a fraction.
    pub fraction: Option<Fraction>,
}

/// A share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Fraction {
    /// So many …
    pub numerator: u32,
    /// … of so many.
    pub denominator: u32,
}

impl Default for Fraction {
    fn default() -> Self {
        Self {
            numerator: 0,
            denominator: 100,
        }
    }
}

/// A redirect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RequestRedirect {
    /// The new scheme; empty keeps it.
    pub scheme: Str,
    /// The new host; empty keeps it.
    pub hostname: Str,
    /// The new path; absent keeps it.
    pub path: Option<PathModifier>,
    /// The new port; absent is that of the new scheme, else that of the listener.
    pub port: Option<u16>,
    /// The status; absent is 302.
    pub status_code: Option<u32>,
}

/// Changes before forwarding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UrlRewrite {
    /// The new host; empty keeps it.
    pub hostname: Str,
    /// The new path; absent keeps it.
    pub path: Option<PathModifier>,
}

/// A new path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PathModifier {
    /// What is replaced.
    pub r#type: Option<PathModifierType>,
    /// The whole new path.
    pub replace_full_path: Option<Str>,
    /// What stands in place of the prefix that was matched.
    pub replace_prefix_match: Option<Str>,
}

/// What of a path is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub enum PathModifierType {
    /// All of it.
    ReplaceFullPath,
    /// The prefix that was matched.
    ReplacePrefixMatch,
}

/// Cross-origin resource sharing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CorsFilter {
    /// Origins that may ask: `scheme://host[:port]`, a host with a wildcard, or `*`.
    pub allow_origins: Vec<Str>,
    /// Whether credentials may be sent.
    pub allow_credentials: Option<bool>,
    /// Methods that are allowed.
    pub allow_methods: Vec<Str>,
    /// Request headers that are allowed.
    pub allow_headers: Vec<Str>,
    /// Response headers that scripts may read.
    pub expose_headers: Vec<Str>,
    /// How long a preflight answer may be kept, in seconds; absent is 5.
    pub max_age: Option<u32>,
}
