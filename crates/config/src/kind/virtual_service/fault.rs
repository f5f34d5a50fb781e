//! Fault injection and cross-origin resource sharing of an HTTP route.

use ferromesh_types::Str;
use serde::Deserialize;

use super::Percent;
use crate::value::{Duration, StringMatch};

/// Faults to inject before forwarding.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpFaultInjection {
    /// Make requests wait.
    pub delay: Option<Delay>,
    /// Answer with an error.
    pub abort: Option<Abort>,
}

/// A wait.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Delay {
    /// Older spelling of `percentage`, in whole percent.
    pub percent: Option<u32>,
    /// How long.
    pub fixed_delay: Option<Duration>,
    /// Declared by the API and refused: no proxy implements it.
    pub exponential_delay: Option<Duration>,
    /// The share of requests.
    pub percentage: Option<Percent>,
}

/// An error as answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Abort {
    /// An HTTP status.
    pub http_status: Option<u32>,
    /// A gRPC status by name.
    pub grpc_status: Option<Str>,
    /// Declared by the API and refused: no proxy implements it.
    pub http2_error: Option<Str>,
    /// The share of requests.
    pub percentage: Option<Percent>,
}

/// Cross-origin resource sharing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CorsPolicy {
    /// Older spelling of `allowOrigins`: exact origins.
    pub allow_origin: Vec<Str>,
    /// Origins that may ask.
    pub allow_origins: Vec<StringMatch>,
    /// Methods that are allowed.
    pub allow_methods: Vec<Str>,
    /// Request headers that are allowed.
    pub allow_headers: Vec<Str>,
    /// Response headers that scripts may read.
    pub expose_headers: Vec<Str>,
    /// How long a preflight answer may be kept.
    pub max_age: Option<Duration>,
    /// Whether credentials may be sent.
    pub allow_credentials: Option<bool>,
    /// What happens to preflights from other origins.
    pub unmatched_preflights: UnmatchedPreflights,
}

/// What happens to a preflight whose origin is not allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnmatchedPreflights {
    /// Not said: forward.
    #[default]
    Unspecified,
    /// Forward to the destination.
    Forward,
    /// Answer without the headers of the policy.
    Ignore,
}
