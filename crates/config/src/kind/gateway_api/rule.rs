//! What rules of HTTP and gRPC have in common besides filters: retries, persistent sessions.

use ferromesh_types::Str;
use serde::Deserialize;

use crate::value::Duration;

/// Retries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRetry {
    /// Statuses after which to try again.
    pub codes: Vec<u32>,
    /// How often; absent is our default.
    pub attempts: Option<u32>,
    /// The least wait between tries.
    pub backoff: Option<Duration>,
}

/// Requests of a session go to one backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SessionPersistence {
    /// The name of the cookie or header; empty is our choice.
    pub session_name: Str,
    /// How long a session lasts at most.
    pub absolute_timeout: Option<Duration>,
    /// How long a session lasts without requests.
    pub idle_timeout: Option<Duration>,
    /// Where the session is kept.
    pub r#type: SessionType,
    /// More about the cookie.
    pub cookie_config: Option<CookieConfig>,
}

/// Where a session is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum SessionType {
    /// In a cookie.
    #[default]
    Cookie,
    /// In a header.
    Header,
}

/// A cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CookieConfig {
    /// How long the client keeps it.
    pub lifetime_type: CookieLifetime,
}

/// How long a cookie is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum CookieLifetime {
    /// Until the client ends.
    #[default]
    Session,
    /// As long as `absoluteTimeout` says.
    Permanent,
}
