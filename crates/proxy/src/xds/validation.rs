//! How a peer's certificate is checked: trusted roots and names.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3 as pb;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use ferromesh_proto::envoy::r#type::matcher::v3::StringMatcher;
use ferromesh_route::StringMatch;
use ferromesh_tls::{Pins, SanKind, SanMatcher, SanPattern};
use ferromesh_types::Str;

use super::context::Context;
use super::refusal::{At, Refusal, nothing_left};
use super::transport::secret_name;
use super::{matchers, sds};

/// What a validation context asks of a certificate.
#[derive(Default)]
pub(super) struct Validation {
    /// The secret with the trusted roots.
    pub(super) roots: Option<Str>,
    /// One of these must match; empty accepts every name.
    pub(super) names: Vec<SanMatcher>,
    /// One of these must match; empty accepts every certificate.
    pub(super) pins: Pins,
}

/// Compiles a validation context; `None` when there is none.
pub(super) fn compile(
    kind: Option<ValidationContextType>,
    context: &mut Context<'_>,
) -> Result<Option<Validation>, Refusal> {
    Ok(Some(match kind {
        None => return Ok(None),
        Some(ValidationContextType::ValidationContext(value)) => {
            inline_validation(value, context).at("validation_context")?
        }
        Some(ValidationContextType::ValidationContextSdsSecretConfig(config)) => Validation {
            roots: Some(secret_name(config, context).at("validation_context_sds_secret_config")?),
            ..Validation::default()
        },
        Some(ValidationContextType::CombinedValidationContext(mut combined)) => {
            let field = "combined_validation_context";
            let default = combined
                .default_validation_context
                .take()
                .unwrap_or_default();
            let inline = inline_validation(default, context)
                .at("default_validation_context")
                .at(field)?;
            let secret = combined.validation_context_sds_secret_config.take();
            let named = secret
                .map(|config| secret_name(config, context))
                .transpose()
                .at("validation_context_sds_secret_config")
                .at(field)?;
            nothing_left(&combined).at(field)?;
            // What comes by SDS is laid over the default.
            Validation {
                roots: named.or(inline.roots),
                names: inline.names,
                pins: inline.pins,
            }
        }
        Some(
            ValidationContextType::ValidationContextCertificateProvider(_)
            | ValidationContextType::ValidationContextCertificateProviderInstance(_),
        ) => return Err(Refusal::new("certificate providers are not supported")),
    }))
}

fn inline_validation(
    mut value: pb::CertificateValidationContext,
    context: &mut Context<'_>,
) -> Result<Validation, Refusal> {
    let mut names = Vec::new();
    let typed = std::mem::take(&mut value.match_typed_subject_alt_names);
    for (index, each) in typed.into_iter().enumerate() {
        names.push(typed_san(each).at_index("match_typed_subject_alt_names", index)?);
    }
    let untyped = std::mem::take(&mut value.match_subject_alt_names);
    for (index, each) in untyped.into_iter().enumerate() {
        let pattern = pattern(Some(each)).at_index("match_subject_alt_names", index)?;
        let kind = SanKind::Any;
        names.push(SanMatcher { kind, pattern });
    }
    let roots = sds::inline_roots(&mut value, context)?;
    // Which authorities the server names in its request is no matter of trust.
    value.suppress_client_ca_list = false;
    let pins = pins(&mut value)?;
    nothing_left(&value)?;
    Ok(Validation { roots, names, pins })
}

/// The hashes of certificates and keys that are accepted.
fn pins(value: &mut pb::CertificateValidationContext) -> Result<Pins, Refusal> {
    let mut pins = Pins::default();
    let hashes = std::mem::take(&mut value.verify_certificate_hash);
    for (index, text) in hashes.iter().enumerate() {
        let hash = hexadecimal(text)
            .ok_or_else(|| Refusal::new(format!("{text:?} is no SHA-256 in hexadecimal")));
        pins.certificates
            .push(hash.at_index("verify_certificate_hash", index)?);
    }
    let keys = std::mem::take(&mut value.verify_certificate_spki);
    for (index, text) in keys.iter().enumerate() {
        let decoded = BASE64.decode(text).ok();
        let hash = decoded.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let hash = hash.ok_or_else(|| Refusal::new(format!("{text:?} is no SHA-256 in Base64")));
        pins.keys
            .push(hash.at_index("verify_certificate_spki", index)?);
    }
    Ok(pins)
}

/// With or without colons between the bytes, as openssl and sha256sum write it.
fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|letter| *letter != ':')
        .map(|letter| letter.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0))
        .collect();
    (digits.len() == 64).then_some(bytes)?.try_into().ok()
}

fn typed_san(value: pb::SubjectAltNameMatcher) -> Result<SanMatcher, Refusal> {
    let kind = match value.san_type() {
        SanType::Dns => SanKind::Dns,
        SanType::Uri => SanKind::Uri,
        SanType::Email => SanKind::Email,
        SanType::IpAddress => SanKind::Ip,
        SanType::Unspecified => SanKind::Any,
        SanType::OtherName => {
            return Err(Refusal::field("san_type", "OTHER_NAME is not supported"));
        }
    };
    let pattern = pattern(value.matcher).at("matcher")?;
    Ok(SanMatcher { kind, pattern })
}

fn pattern(matcher: Option<StringMatcher>) -> Result<SanPattern, Refusal> {
    Ok(match matchers::string(matcher.unwrap_or_default())? {
        StringMatch::Exact(text) => SanPattern::Exact(text.into()),
        StringMatch::Prefix(text) => SanPattern::Prefix(text.into()),
        StringMatch::Suffix(text) => SanPattern::Suffix(text.into()),
        StringMatch::Contains(text) => SanPattern::Contains(text.into()),
        other @ (StringMatch::Regex(_) | StringMatch::IgnoreCase(_)) => {
            SanPattern::Test(Arc::new(move |name| other.is_match(name)))
        }
    })
}
