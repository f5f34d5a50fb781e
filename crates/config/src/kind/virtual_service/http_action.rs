//! What happens to an HTTP request besides its destination: headers, rewrite, redirect, retries.

use std::collections::BTreeMap;

use ferromesh_types::Str;
use serde::Deserialize;

use crate::value::Duration;

/// Header changes on the way there and back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Headers {
    /// On the request.
    pub request: Option<HeaderOperations>,
    /// On the response.
    pub response: Option<HeaderOperations>,
}

/// Header changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeaderOperations {
    /// Headers to overwrite.
    pub set: BTreeMap<Str, Str>,
    /// Headers to append.
    pub add: BTreeMap<Str, Str>,
    /// Headers to remove.
    pub remove: Vec<Str>,
}

/// A redirect as answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRedirect {
    /// The new path; replaces all of it, or what the prefix match covered.
    pub uri: Str,
    /// The new authority.
    pub authority: Str,
    /// The new port.
    pub port: Option<u16>,
    /// Where the new port comes from when `port` is absent.
    pub derive_port: Option<RedirectPort>,
    /// The new scheme.
    pub scheme: Str,
    /// The status; absent is 301.
    pub redirect_code: Option<u32>,
    /// Edits the path instead of replacing it. Only the Gateway API has this.
    #[serde(skip)]
    pub path_rewrite: Option<HttpRewrite>,
}

/// Where the port of a redirect comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RedirectPort {
    /// 80 for HTTP and 443 for HTTPS.
    #[default]
    FromProtocolDefault,
    /// The port of the request.
    FromRequestPort,
}

/// A fixed answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpDirectResponse {
    /// The status.
    pub status: u32,
    /// The body; absent is none.
    pub body: Option<HttpBody>,
}

/// A body in one of two spellings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpBody {
    /// As text.
    pub string: Option<Str>,
    /// As base64.
    pub bytes: Option<Str>,
}

/// Changes before forwarding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRewrite {
    /// The new path, or the new prefix where the match is a prefix.
    pub uri: Str,
    /// The new authority.
    pub authority: Str,
    /// A substitution by regular expression, instead of `uri`.
    pub uri_regex_rewrite: Option<RegexRewrite>,
}

/// A substitution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RegexRewrite {
    /// What to find.
    pub r#match: Str,
    /// What to put there; `\1` is the first group.
    pub rewrite: Str,
}

/// Retries of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRetry {
    /// How often to try again; 0 switches retries off.
    pub attempts: u32,
    /// Limit of each try; absent is the route's timeout.
    pub per_try_timeout: Option<Duration>,
    /// When to try again: comma-separated conditions of Envoy, and status codes.
    pub retry_on: Str,
    /// Whether tries may go to other localities.
    pub retry_remote_localities: Option<bool>,
    /// Whether tries avoid hosts that were tried; absent is yes.
    pub retry_ignore_previous_hosts: Option<bool>,
    /// The base of the waits between tries.
    pub backoff: Option<Duration>,
}
