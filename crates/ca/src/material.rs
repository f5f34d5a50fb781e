//! The authority's key and certificates: made once and kept, or brought by the user.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use time::OffsetDateTime;
use x509_parser::pem::Pem;

use crate::error::MaterialError;
use crate::files;

/// Istio's lifetime of a self-signed root: ten years.
const ROOT_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);
/// Clocks differ; a certificate is valid a little before it was made.
pub(crate) const BACKDATE: Duration = Duration::from_mins(2);

/// Where the key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Made by this control plane and kept in its state directory.
    SelfSigned,
    /// Brought by the user.
    PluggedIn,
}

/// Key and certificates of an authority, checked to belong together.
pub struct KeyMaterial {
    pub(crate) origin: Origin,
    pub(crate) key: KeyPair,
    /// The signing certificate first, then what leads to the root, without the root.
    pub(crate) chain: Vec<String>,
    pub(crate) signing_certificate: String,
    pub(crate) roots: String,
    pub(crate) not_after: OffsetDateTime,
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMaterial")
            .field("origin", &self.origin)
            .field("chain", &self.chain.len())
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl KeyMaterial {
    /// Reads a plug-in CA: Istio's file names (`ca-cert.pem`, `ca-key.pem`, `root-cert.pem`,
    /// `cert-chain.pem`) or those of a Kubernetes TLS Secret (`tls.crt`, `tls.key`, `ca.crt`).
    pub fn plugged_in(directory: &Path) -> Result<Self, MaterialError> {
        let at = |name: &str| directory.join(name);
        if at("ca-cert.pem").exists() {
            let chain = at("cert-chain.pem");
            let chain = if chain.exists() {
                files::read(&chain)?
            } else {
                String::new()
            };
            return assemble(
                Origin::PluggedIn,
                (at("ca-cert.pem"), files::read(&at("ca-cert.pem"))?),
                (at("ca-key.pem"), &files::read(&at("ca-key.pem"))?),
                (at("root-cert.pem"), files::read(&at("root-cert.pem"))?),
                &chain,
            );
        }
        if at("tls.crt").exists() {
            let chain = files::read(&at("tls.crt"))?;
            return assemble(
                Origin::PluggedIn,
                (at("tls.crt"), chain.clone()),
                (at("tls.key"), &files::read(&at("tls.key"))?),
                (at("ca.crt"), files::read(&at("ca.crt"))?),
                &chain,
            );
        }
        Err(MaterialError::Incomplete(directory.to_owned()))
    }

    /// The self-signed root in `directory`; made at the first call and kept from then on.
    pub fn self_signed(
        directory: &Path,
        trust_domain: &str,
        now: OffsetDateTime,
    ) -> Result<Self, MaterialError> {
        let at = |name: &str| directory.join(name);
        // The certificate is written last: if it is there, the key is whole.
        if !at("root-cert.pem").exists() {
            files::make_directory(directory)?;
            let (certificate, key) = new_root(trust_domain, now)?;
            files::replace(&at("ca-key.pem"), &key, 0o600)?;
            files::replace(&at("cert-chain.pem"), "", 0o644)?;
            files::replace(&at("ca-cert.pem"), &certificate, 0o644)?;
            files::replace(&at("root-cert.pem"), &certificate, 0o644)?;
        }
        assemble(
            Origin::SelfSigned,
            (at("ca-cert.pem"), files::read(&at("ca-cert.pem"))?),
            (at("ca-key.pem"), &files::read(&at("ca-key.pem"))?),
            (at("root-cert.pem"), files::read(&at("root-cert.pem"))?),
            "",
        )
    }

    /// Where the key comes from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The trusted roots, PEM.
    pub fn roots(&self) -> &str {
        &self.roots
    }

    /// When the signing certificate ends.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }
}

fn new_root(trust_domain: &str, now: OffsetDateTime) -> Result<(String, String), MaterialError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(MaterialError::Generation)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, trust_domain);
    params.not_before = now - BACKDATE;
    params.not_after = now + ROOT_LIFETIME;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params
        .self_signed(&key)
        .map_err(MaterialError::Generation)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Checks that key, certificate and roots belong together.
fn assemble(
    origin: Origin,
    (certificate_path, certificate): (PathBuf, String),
    (key_path, key): (PathBuf, &str),
    (root_path, roots): (PathBuf, String),
    chain: &str,
) -> Result<KeyMaterial, MaterialError> {
    let problem = |path: &Path, problem: String| MaterialError::Content {
        path: path.to_owned(),
        problem,
    };
    let key = KeyPair::from_pem(key)
        .map_err(|error| problem(&key_path, format!("no private key in PEM: {error}")))?;
    let certificates = blocks(&certificate).map_err(|e| problem(&certificate_path, e))?;
    let signing = certificates
        .first()
        .ok_or_else(|| problem(&certificate_path, "no certificate in it".to_owned()))?
        .clone();
    let not_after = check_signing(&signing, &key).map_err(|e| problem(&certificate_path, e))?;
    let root_blocks = blocks(&roots).map_err(|e| problem(&root_path, e))?;
    if root_blocks.is_empty() {
        return Err(problem(&root_path, "no certificate in it".to_owned()));
    }
    // A signing certificate that is itself a root is not sent twice.
    let mut chain_blocks: Vec<String> = Vec::new();
    let listed = blocks(chain).map_err(|e| problem(&certificate_path, e))?;
    for block in std::iter::once(signing.clone()).chain(listed) {
        if !root_blocks.contains(&block) && !chain_blocks.contains(&block) {
            chain_blocks.push(block);
        }
    }
    Ok(KeyMaterial {
        origin,
        key,
        chain: chain_blocks,
        signing_certificate: signing,
        roots: root_blocks.concat(),
        not_after,
    })
}

/// The certificates of a PEM file, each written anew so that equal ones are equal texts.
fn blocks(text: &str) -> Result<Vec<String>, String> {
    let mut certificates = Vec::new();
    for block in Pem::iter_from_buffer(text.as_bytes()) {
        let block = block.map_err(|error| format!("no valid PEM: {error}"))?;
        if block.label != "CERTIFICATE" {
            return Err(format!("a {} where certificates belong", block.label));
        }
        certificates.push(to_pem(&block.contents));
    }
    Ok(certificates)
}

fn to_pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = next;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// Whether the certificate may sign, with this key; until when.
fn check_signing(certificate: &str, key: &KeyPair) -> Result<OffsetDateTime, String> {
    let block = Pem::iter_from_buffer(certificate.as_bytes())
        .next()
        .ok_or("no certificate in it")?
        .map_err(|error| format!("no valid PEM: {error}"))?;
    let parsed = block
        .parse_x509()
        .map_err(|error| format!("no valid certificate: {error}"))?;
    if !parsed.is_ca() {
        return Err("not a CA certificate: it must have CA:TRUE".to_owned());
    }
    if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
        return Err("the private key does not belong to this certificate".to_owned());
    }
    let end = parsed.validity().not_after.timestamp();
    OffsetDateTime::from_unix_timestamp(end).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("a time")
    }

    #[test]
    fn the_root_is_the_same_after_a_restart_and_its_key_is_private() {
        let directory = tempfile::tempdir().expect("a directory");
        let ca = directory.path().join("ca");
        let first = KeyMaterial::self_signed(&ca, "cluster.local", now()).expect("made");
        let second = KeyMaterial::self_signed(&ca, "cluster.local", now()).expect("read");
        assert_eq!(first.roots(), second.roots());
        let mode = std::fs::metadata(ca.join("ca-key.pem"))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_does_not_fit_is_refused_with_the_file_that_is_wrong() {
        let directory = tempfile::tempdir().expect("a directory");
        KeyMaterial::self_signed(directory.path(), "cluster.local", now()).expect("made");
        let other = KeyPair::generate().expect("a key").serialize_pem();
        std::fs::write(directory.path().join("ca-key.pem"), other).expect("written");
        let error = KeyMaterial::plugged_in(directory.path()).expect_err("refused");
        let text = error.to_string();
        assert!(
            text.contains("ca-cert.pem") && text.contains("does not belong"),
            "{text}"
        );
    }

    #[test]
    fn a_directory_without_a_ca_says_which_files_belong_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let error = KeyMaterial::plugged_in(directory.path()).expect_err("refused");
        assert!(error.to_string().contains("root-cert.pem"));
    }
}
