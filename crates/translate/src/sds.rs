//! Credentials of Kubernetes Secrets, as `Secret` resources.
//!
//! In: the snapshot, the namespace of the proxy, resource names (`kubernetes://site-cert`,
//! `kubernetes://site-cert-cacert`). Out: the secrets that exist and that the proxy may read: those
//! of its own namespace. A secret that is missing is left out; the proxy waits for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ferromesh_config::kubernetes::Secret as Written;
use ferromesh_model::Snapshot;
use ferromesh_proto::envoy::config::core::v3::{DataSource, data_source::Specifier};
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate, secret::Type,
};
use ferromesh_types::{Namespace, Str};
use prost::Message;

use crate::Resource;

/// The prefix of names that stand for Kubernetes Secrets.
const SCHEME: &str = "kubernetes://";

/// The end of names that stand for the roots beside a certificate.
const ROOTS: &str = "-cacert";

/// The secrets with these names that a proxy of `namespace` may read.
pub fn secrets(snapshot: &Snapshot, namespace: &Namespace, names: &[Str]) -> Vec<Resource> {
    names
        .iter()
        .filter_map(|name| secret(snapshot, namespace, name))
        .collect()
}

/// The Secret objects that a resource name can stand for, as namespace and name.
pub fn secret_objects(namespace: &Namespace, name: &str) -> Vec<(Namespace, Str)> {
    let Some(path) = name.strip_prefix(SCHEME) else {
        return Vec::new();
    };
    let (home, object) = match path.split_once('/') {
        Some((home, object)) => (Namespace::from(home), object),
        None => (namespace.clone(), path),
    };
    let beside = object
        .strip_suffix(ROOTS)
        .map(|object| (home.clone(), Str::from(object)));
    std::iter::once((home, Str::from(object)))
        .chain(beside)
        .collect()
}

fn secret(snapshot: &Snapshot, namespace: &Namespace, name: &Str) -> Option<Resource> {
    let objects = secret_objects(namespace, name);
    let content = objects
        .iter()
        .filter(|(home, _)| home == namespace)
        .find_map(|(home, object)| {
            let written = snapshot.secrets().of(home, object)?;
            if name.ends_with(ROOTS) {
                roots(written).map(Type::ValidationContext)
            } else {
                certificate(written).map(Type::TlsCertificate)
            }
        })?;
    let message = Secret {
        name: name.to_string(),
        r#type: Some(content),
    };
    Some(Resource::new(name.clone(), message.encode_to_vec()))
}

fn certificate(written: &Written) -> Option<TlsCertificate> {
    let chain = bytes(written, &["cert", "tls.crt"])?;
    let key = bytes(written, &["key", "tls.key"])?;
    Some(TlsCertificate {
        certificate_chain: Some(inline(chain)),
        private_key: Some(inline(key)),
        ocsp_staple: bytes(written, &["tls.ocsp-staple"]).map(inline),
        ..Default::default()
    })
}

fn roots(written: &Written) -> Option<CertificateValidationContext> {
    Some(CertificateValidationContext {
        trusted_ca: Some(inline(bytes(written, &["cacert", "ca.crt"])?)),
        crl: bytes(written, &["crl", "ca.crl"]).map(inline),
        ..Default::default()
    })
}

/// The bytes under the first of the keys that is there.
fn bytes(written: &Written, keys: &[&str]) -> Option<Vec<u8>> {
    keys.iter().find_map(|key| {
        if let Some(text) = written.string_data.get(*key) {
            return Some(text.as_bytes().to_vec());
        }
        let encoded: String = written
            .data
            .get(*key)?
            .chars()
            .filter(|c| !c.is_ascii_whitespace())
            .collect();
        STANDARD.decode(encoded).ok()
    })
}

fn inline(bytes: Vec<u8>) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineBytes(bytes)),
        ..Default::default()
    }
}
