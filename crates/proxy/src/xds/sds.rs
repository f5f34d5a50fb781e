//! Secrets (SDS) and inline certificates.

use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3 as pb;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::certificate_validation_context::TrustChainVerification;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::secret::Type;
use ferromesh_tls::{Identity, Secret, TlsError, TrustedRoots};
use ferromesh_types::Str;

use super::context::Context;
use super::fields::data;
use super::refusal::{At, Refusal, nothing_left};

/// Reads a secret as it comes by SDS.
pub fn compile(secret: pb::Secret) -> Result<Secret, Refusal> {
    match secret.r#type {
        Some(Type::TlsCertificate(value)) => {
            let (chain, key) = certificate(value).at("tls_certificate")?;
            let identity = Identity::from_pem(&chain, &key).at("tls_certificate")?;
            Ok(identity.into())
        }
        Some(Type::ValidationContext(mut value)) => {
            let lists = revocation(&mut value).at("validation_context")?;
            let roots = roots(&mut value).at("validation_context")?;
            // Names belong to the context that refers to the secret.
            nothing_left(&value).at("validation_context")?;
            let bytes = roots
                .ok_or_else(|| Refusal::field("validation_context.trusted_ca", "is needed"))?;
            let roots = TrustedRoots::from_pem(&bytes).at("validation_context.trusted_ca")?;
            Ok(revoking(roots, lists).at("validation_context.crl")?.into())
        }
        Some(Type::SessionTicketKeys(_)) => {
            Err(Refusal::field("session_ticket_keys", "is not supported"))
        }
        Some(Type::GenericSecret(_)) => Err(Refusal::field("generic_secret", "is not supported")),
        None => Err(Refusal::new(
            "a secret needs a certificate or a validation context",
        )),
    }
}

/// Chain and key of a certificate, in PEM.
fn certificate(mut value: pb::TlsCertificate) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
    let needed = |field| Refusal::field(field, "is needed");
    let chain = value
        .certificate_chain
        .take()
        .ok_or_else(|| needed("certificate_chain"))?;
    let key = value
        .private_key
        .take()
        .ok_or_else(|| needed("private_key"))?;
    value.watched_directory = None;
    // A stapled answer would only spare clients a question.
    value.ocsp_staple = None;
    nothing_left(&value)?;
    Ok((
        data(chain).at("certificate_chain")?,
        data(key).at("private_key")?,
    ))
}

/// Puts an inline certificate into the store and gives its name.
pub(super) fn inline_certificate(
    value: pb::TlsCertificate,
    context: &Context<'_>,
) -> Result<Str, Refusal> {
    let (chain, key) = certificate(value)?;
    let identity = Identity::from_pem(&chain, &key)?;
    Ok(context.inline_secret(&[&chain, &key], identity))
}

/// Puts inline roots into the store and gives their name; `None` when there are none.
pub(super) fn inline_roots(
    value: &mut pb::CertificateValidationContext,
    context: &Context<'_>,
) -> Result<Option<Str>, Refusal> {
    let lists = revocation(value)?;
    let (bytes, roots) = if value.system_root_certs.take().is_some() {
        let roots = TrustedRoots::system().at("system_root_certs")?;
        (b"system".to_vec(), roots)
    } else if let Some(bytes) = roots(value)? {
        let roots = TrustedRoots::from_pem(&bytes).at("trusted_ca")?;
        (bytes, roots)
    } else if lists.is_some() {
        let reason = "revocation lists need the authorities that signed them (trusted_ca)";
        return Err(Refusal::field("crl", reason));
    } else {
        return Ok(None);
    };
    let (of_lists, leaf_only) = lists.clone().unwrap_or_default();
    let roots = revoking(roots, lists).at("crl")?;
    let parts: [&[u8]; 3] = [&bytes, &of_lists, &[u8::from(leaf_only)]];
    Ok(Some(context.inline_secret(&parts, roots)))
}

/// Revocation lists in PEM, and whether they are for end certificates only.
type Lists = (Vec<u8>, bool);

fn revocation(value: &mut pb::CertificateValidationContext) -> Result<Option<Lists>, Refusal> {
    let leaf_only = std::mem::take(&mut value.only_verify_leaf_cert_crl);
    let lists = value.crl.take().map(data).transpose().at("crl")?;
    Ok(lists.map(|lists| (lists, leaf_only)))
}

fn revoking(roots: TrustedRoots, lists: Option<Lists>) -> Result<TrustedRoots, TlsError> {
    match lists {
        Some((lists, leaf_only)) => roots.with_revocation(&lists, leaf_only),
        None => Ok(roots),
    }
}

/// The PEM bundle of trusted roots.
fn roots(value: &mut pb::CertificateValidationContext) -> Result<Option<Vec<u8>>, Refusal> {
    if value.trust_chain_verification() == TrustChainVerification::AcceptUntrusted {
        let reason = "ACCEPT_UNTRUSTED is not supported";
        return Err(Refusal::field("trust_chain_verification", reason));
    }
    value.trust_chain_verification = 0;
    value.watched_directory = None;
    value
        .trusted_ca
        .take()
        .map(data)
        .transpose()
        .at("trusted_ca")
}
