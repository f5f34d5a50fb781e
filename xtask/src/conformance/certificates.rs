//! Certificates for proxies under test.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, OtherNameValue, SanType,
};

/// What a name of another type is: how a directory names a user.
const USER_PRINCIPAL: [u64; 10] = [1, 3, 6, 1, 4, 1, 311, 20, 2, 3];

/// Writes a root, and a key pair that it has signed for `localhost` and `127.0.0.1`, as `ca.pem`,
/// `cert.pem` and `key.pem`; and another with names of every kind for a client, as `client.pem` and
/// `client-key.pem`.
pub fn write(folder: &Path) -> anyhow::Result<()> {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // With one name for both, the leaf would count as signed by itself.
    root.distinguished_name.push(DnType::CommonName, "root");
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let mut leaf = CertificateParams::new(names)?;
    leaf.subject_alt_names.push(uri("spiffe://mesh/server")?);
    leaf.distinguished_name.push(DnType::CommonName, "leaf");
    let key = KeyPair::generate()?;
    let leaf = leaf.signed_by(&key, &root)?;
    fs::write(folder.join("ca.pem"), root.pem())?;
    fs::write(folder.join("cert.pem"), leaf.pem())?;
    fs::write(folder.join("key.pem"), key.serialize_pem())?;
    let key = KeyPair::generate()?;
    let client = client()?.signed_by(&key, &root)?;
    fs::write(folder.join("client.pem"), client.pem() + &root.pem())?;
    fs::write(folder.join("client-key.pem"), key.serialize_pem())?;
    Ok(())
}

fn client() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    let subject = &mut params.distinguished_name;
    *subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "DE");
    subject.push(DnType::OrganizationName, "Shop, \"quoted\" & more");
    subject.push(DnType::CommonName, "a client");
    params.subject_alt_names = vec![
        uri("spiffe://mesh/ns/shop/sa/client")?,
        uri("https://client.example/a,b;c=d")?,
        SanType::DnsName("client.example".try_into()?),
        SanType::DnsName("other.client.example".try_into()?),
        SanType::Rfc822Name("mail@client.example".try_into()?),
        SanType::IpAddress([10, 0, 0, 1].into()),
        SanType::OtherName((
            USER_PRINCIPAL.to_vec(),
            OtherNameValue::Utf8String("client@shop.example".to_owned()),
        )),
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn uri(text: &str) -> anyhow::Result<SanType> {
    Ok(SanType::URI(text.try_into()?))
}
