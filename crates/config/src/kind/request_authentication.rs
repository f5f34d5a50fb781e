//! `RequestAuthentication`: which JSON web tokens a workload accepts.

use ferromesh_types::Str;
use serde::Deserialize;

use crate::value::{Duration, LabelSelector, PolicyTargetReference};

/// Rules for the tokens of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RequestAuthentication {
    /// The workloads; absent is the whole namespace, or the mesh in the root namespace.
    pub selector: Option<LabelSelector>,
    /// Older, single spelling of `targetRefs`.
    pub target_ref: Option<PolicyTargetReference>,
    /// Objects that the policy is attached to.
    pub target_refs: Vec<PolicyTargetReference>,
    /// One rule per issuer.
    pub jwt_rules: Vec<JwtRule>,
}

/// How tokens of one issuer are found and verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JwtRule {
    /// The `iss` claim.
    pub issuer: Str,
    /// Values of which the `aud` claim must hold one; empty accepts the service's names.
    pub audiences: Vec<Str>,
    /// Where the keys are.
    #[serde(alias = "jwks_uri")]
    pub jwks_uri: Str,
    /// The keys themselves.
    pub jwks: Str,
    /// Headers that carry the token; default `Authorization: Bearer`.
    pub from_headers: Vec<JwtHeader>,
    /// Query parameters that carry the token; default `access_token`.
    pub from_params: Vec<Str>,
    /// Cookies that carry the token.
    pub from_cookies: Vec<Str>,
    /// A header that gets the payload in base64url.
    pub output_payload_to_header: Str,
    /// Whether the token is forwarded.
    pub forward_original_token: bool,
    /// Headers that get single claims.
    pub output_claim_to_headers: Vec<ClaimToHeader>,
    /// Limit of fetching the keys; absent is 5 s.
    pub timeout: Option<Duration>,
    /// Claims whose text is a list separated by spaces, besides `scope` and `permission`.
    pub space_delimited_claims: Vec<Str>,
    /// Whether a request without token is refused.
    pub presence: Presence,
}

/// A header that carries a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JwtHeader {
    /// Its name.
    pub name: Str,
    /// What stands before the token.
    pub prefix: Str,
}

/// A header that gets a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClaimToHeader {
    /// The header.
    pub header: Str,
    /// The claim; dots go down into objects.
    pub claim: Str,
}

/// Whether a request without token is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Presence {
    /// Not said: optional.
    #[default]
    Unspecified,
    /// No.
    Optional,
    /// Yes.
    Required,
}
