//! Certificates for proxies under test.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// Writes a root, and a key pair that it has signed for `localhost` and `127.0.0.1`, as `ca.pem`,
/// `cert.pem` and `key.pem`.
pub fn write(folder: &Path) -> anyhow::Result<()> {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // With one name for both, the leaf would count as signed by itself.
    root.distinguished_name.push(DnType::CommonName, "root");
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let mut leaf = CertificateParams::new(names)?;
    leaf.distinguished_name.push(DnType::CommonName, "leaf");
    let key = KeyPair::generate()?;
    let leaf = leaf.signed_by(&key, &root)?;
    fs::write(folder.join("ca.pem"), root.pem())?;
    fs::write(folder.join("cert.pem"), leaf.pem())?;
    fs::write(folder.join("key.pem"), key.serialize_pem())?;
    Ok(())
}
