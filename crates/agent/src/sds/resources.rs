//! Secrets as resources.

use std::path::Path;
use std::sync::Arc;

use ferromesh_proto::envoy::config::core::v3::DataSource;
use ferromesh_proto::envoy::config::core::v3::data_source::Specifier;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::secret::Type;
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate,
};
use ferromesh_proto::type_url;
use ferromesh_xds::{EncodedResource, NameSet, ResourceSet};
use prost::Message as _;
use tracing::warn;

use crate::certificate::{IDENTITY_SECRET, ROOTS_SECRET, WorkloadCertificate};

/// The secrets among `names` that there are.
pub(super) fn find(names: &NameSet, certificate: &WorkloadCertificate) -> Arc<ResourceSet> {
    let encode = |name: &ferromesh_types::Str| {
        let content = content(name, certificate)?;
        let secret = Secret {
            name: name.to_string(),
            r#type: Some(content),
        };
        let encoded = secret.encode_to_vec();
        Some(Arc::new(EncodedResource::new(
            type_url::SECRET,
            name.clone(),
            &encoded,
        )))
    };
    Arc::new(names.iter().filter_map(encode).collect())
}

/// Whether a name is backed by files, which are looked at again from time to time.
pub(super) fn is_file(name: &str) -> bool {
    name.starts_with("file-cert:") || name.starts_with("file-root:")
}

fn content(name: &str, certificate: &WorkloadCertificate) -> Option<Type> {
    if name == IDENTITY_SECRET {
        return Some(pair(
            certificate.chain.as_bytes(),
            certificate.key.as_bytes(),
        ));
    }
    if name == ROOTS_SECRET {
        return Some(roots(certificate.roots.as_bytes()));
    }
    if let Some(files) = name.strip_prefix("file-cert:") {
        let (chain, key) = files.split_once('~')?;
        return Some(pair(&read(chain)?, &read(key)?));
    }
    if name == "file-root:system" {
        return Some(roots(&read("/etc/ssl/certs/ca-certificates.crt")?));
    }
    if let Some(file) = name.strip_prefix("file-root:") {
        return Some(roots(&read(file)?));
    }
    warn!(
        name,
        "a secret was asked for that this agent does not serve"
    );
    None
}

fn read(path: &str) -> Option<Vec<u8>> {
    match std::fs::read(Path::new(path)) {
        Ok(content) => Some(content),
        Err(error) => {
            warn!(path, %error, "cannot read the file of a secret");
            None
        }
    }
}

fn inline(content: &[u8]) -> Option<DataSource> {
    Some(DataSource {
        specifier: Some(Specifier::InlineBytes(content.to_vec())),
        ..DataSource::default()
    })
}

fn pair(chain: &[u8], key: &[u8]) -> Type {
    Type::TlsCertificate(TlsCertificate {
        certificate_chain: inline(chain),
        private_key: inline(key),
        ..TlsCertificate::default()
    })
}

fn roots(bundle: &[u8]) -> Type {
    Type::ValidationContext(CertificateValidationContext {
        trusted_ca: inline(bundle),
        ..CertificateValidationContext::default()
    })
}
