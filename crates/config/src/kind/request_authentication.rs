//! `RequestAuthentication`: which JSON web tokens a workload accepts.

use ferromesh_types::Str;
use serde::Deserialize;

use crate::check::{Findings, scope, text};
use crate::parse::Body;
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

/// Names of headers in this API.
const HEADER_PATTERN: &str = "^[-_A-Za-z0-9]+$";

impl Body for RequestAuthentication {
    const STRICT: bool = true;

    fn check(&self, findings: &mut Findings<'_>) {
        scope::policy_target(
            findings,
            self.selector.as_ref(),
            self.target_ref.as_ref(),
            &self.target_refs,
        );
        findings.max_items("jwtRules", self.jwt_rules.len(), 4096);
        findings.each("jwtRules", &self.jwt_rules, jwt_rule);
    }
}

fn jwt_rule(findings: &mut Findings<'_>, rule: &JwtRule) {
    findings.required("issuer", findings.is_written("issuer"));
    findings.min_length("issuer", 1);
    findings.no_empty_texts("audiences", &rule.audiences);
    if findings.count_written(&["jwksUri", "jwks_uri", "jwks"]) > 1 {
        findings.error("Invalid value: \"object\": only one of jwks or jwksUri can be set");
    }
    for field in ["jwksUri", "jwks_uri"] {
        findings.min_length(field, 1);
        findings.max_length(field, &rule.jwks_uri, 2048);
        let scheme = text::url_scheme(&rule.jwks_uri);
        let good = matches!(scheme.as_deref(), Some("http" | "https"));
        if findings.is_written(field) && !rule.jwks_uri.is_empty() && !good {
            findings.error_at(
                field,
                "Invalid value: \"string\": url must have scheme http:// or https://",
            );
        }
    }
    findings.each("fromHeaders", &rule.from_headers, |findings, header| {
        findings.required("name", findings.is_written("name"));
        findings.min_length("name", 1);
        if !header.name.is_empty() {
            findings.rule("name", text::header_name(&header.name));
        }
    });
    findings.no_empty_texts("fromParams", &rule.from_params);
    findings.no_empty_texts("fromCookies", &rule.from_cookies);
    findings.no_empty_texts("spaceDelimitedClaims", &rule.space_delimited_claims);
    findings.max_items(
        "spaceDelimitedClaims",
        rule.space_delimited_claims.len(),
        64,
    );
    findings.each(
        "outputClaimToHeaders",
        &rule.output_claim_to_headers,
        claim_to_header,
    );
    if let Some(timeout) = rule.timeout {
        findings.rule("timeout", text::duration(timeout));
    }
}

fn claim_to_header(findings: &mut Findings<'_>, row: &ClaimToHeader) {
    findings.required("header", findings.is_written("header"));
    findings.required("claim", findings.is_written("claim"));
    findings.min_length("header", 1);
    findings.min_length("claim", 1);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !row.header.is_empty() && !row.header.bytes().all(plain) {
        findings.field("header", |findings| {
            findings.no_match(&row.header, HEADER_PATTERN);
        });
    }
}
