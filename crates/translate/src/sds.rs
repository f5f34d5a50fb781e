//! Credentials of Kubernetes Secrets, as `Secret` resources.
//!
//! In: the snapshot, the namespace of the proxy, resource names (`kubernetes://site-cert`,
//! `kubernetes://site-cert-cacert`, `kubernetes-gateway://certs/site`, `configmap://shop/ca-cacert`).
//! Out: the secrets that exist and that the proxy may read: those of its own namespace, roots from
//! ConfigMaps, and those that a Gateway of its namespace was allowed to use. A secret that is missing
//! is left out; the proxy waits for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ferromesh_config::kind::gateway::ServerTlsSettings;
use ferromesh_config::kubernetes::Secret as Written;
use ferromesh_gateway_api::{ROOTS_SCHEME, SECRET_SCHEME, roots_secret};
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
    if let Some(path) = name.strip_prefix(ROOTS_SCHEME) {
        let named = path.strip_suffix(ROOTS).unwrap_or(path).split_once('/');
        let object = named.map(|(home, map)| (Namespace::from(home), roots_secret(map)));
        return object.into_iter().collect();
    }
    let path = name.strip_prefix(SCHEME);
    let Some(path) = path.or_else(|| name.strip_prefix(SECRET_SCHEME)) else {
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
        .filter(|(home, _)| home == namespace || is_open(snapshot, namespace, name))
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

/// Whether a secret of another namespace may be read: roots may always, keys if a Gateway of the
/// proxy's namespace names them. Such names stand only in Gateways that a ReferenceGrant allowed
/// them to.
fn is_open(snapshot: &Snapshot, namespace: &Namespace, name: &str) -> bool {
    if name.starts_with(ROOTS_SCHEME) {
        return true;
    }
    let certificate = name.strip_suffix(ROOTS).unwrap_or(name);
    let named = |tls: &ServerTlsSettings| {
        let names = std::iter::once(&tls.credential_name).chain(&tls.credential_names);
        names
            .into_iter()
            .any(|known| *known == name || *known == certificate)
    };
    let gateways = snapshot.gateways().iter();
    name.starts_with(SECRET_SCHEME)
        && gateways
            .filter(|gateway| gateway.namespace() == namespace && gateway.spec.is_made)
            .flat_map(|gateway| &gateway.spec.servers)
            .any(|server| server.tls.as_ref().is_some_and(named))
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
