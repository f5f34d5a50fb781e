//! What a peer's leaf certificate says. Parsed once per connection, after the chain was verified.

use std::fmt::Write as _;
use std::net::IpAddr;

use ferromesh_types::Str;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::Any;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

/// The names and the fingerprint of a peer's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    der: Vec<Vec<u8>>,
    subject: String,
    issuer: String,
    serial: String,
    uris: Vec<Str>,
    dns: Vec<Str>,
    emails: Vec<Str>,
    addresses: Vec<IpAddr>,
    others: Vec<Str>,
    valid: (i64, i64),
}

impl PeerCertificate {
    /// Reads a chain in DER, leaf first. `None` when the leaf is not an X.509 certificate.
    pub fn from_chain<'a>(chain: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let der: Vec<Vec<u8>> = chain.into_iter().map(<[u8]>::to_vec).collect();
        let mut peer = Self::parse(der.first()?)?;
        peer.der = der;
        Some(peer)
    }

    /// Reads the names of one certificate in DER; the result does not keep the bytes.
    pub(crate) fn parse(leaf: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
        let validity = certificate.validity();
        let mut peer = Self {
            subject: distinguished_name(certificate.subject()),
            issuer: distinguished_name(certificate.issuer()),
            serial: lower_hex(certificate.raw_serial()),
            valid: (
                validity.not_before.timestamp(),
                validity.not_after.timestamp(),
            ),
            ..Self::default()
        };
        for extension in certificate.extensions() {
            let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension()
            else {
                continue;
            };
            for name in &names.general_names {
                peer.add_name(name);
            }
        }
        Some(peer)
    }

    fn add_name(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::URI(uri) => self.uris.push(Str::from(*uri)),
            GeneralName::DNSName(dns) => self.dns.push(Str::from(*dns)),
            GeneralName::RFC822Name(email) => self.emails.push(Str::from(*email)),
            GeneralName::IPAddress(bytes) => {
                if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                    self.addresses.push(IpAddr::from(v4));
                } else if let Ok(v6) = <[u8; 16]>::try_from(*bytes) {
                    self.addresses.push(IpAddr::from(v6));
                }
            }
            GeneralName::OtherName(_, value) => {
                let text = other_name(value);
                self.others.extend(text.map(Str::from));
            }
            _ => {}
        }
    }

    /// URI alternative names, in the certificate's order.
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        self.uris.iter().map(Str::as_str)
    }

    /// DNS alternative names.
    pub fn dns_names(&self) -> impl Iterator<Item = &str> {
        self.dns.iter().map(Str::as_str)
    }

    /// Email alternative names.
    pub fn emails(&self) -> impl Iterator<Item = &str> {
        self.emails.iter().map(Str::as_str)
    }

    /// IP alternative names.
    pub fn ip_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied()
    }

    /// Alternative names of other types that are texts.
    pub fn other_names(&self) -> impl Iterator<Item = &str> {
        self.others.iter().map(Str::as_str)
    }

    /// The SPIFFE id: the only URI name, when it begins with `spiffe://`.
    pub fn spiffe_id(&self) -> Option<&Str> {
        match self.uris.as_slice() {
            [only] if only.starts_with("spiffe://") => Some(only),
            _ => None,
        }
    }

    /// The subject in RFC 2253 form; empty for SVIDs of a mesh.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer in RFC 2253 form.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number in lower-case hexadecimal.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Not before and not after, in Unix seconds.
    pub fn validity(&self) -> (i64, i64) {
        self.valid
    }

    /// The chain in DER, leaf first.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.der.iter().map(Vec::as_slice)
    }

    /// The SHA-256 of the leaf in lower-case hexadecimal (the `Hash` of XFCC).
    pub fn sha256(&self) -> String {
        self.chain_sha256().next().unwrap_or_default()
    }

    /// The SHA-256 of each certificate of the chain, leaf first.
    pub fn chain_sha256(&self) -> impl Iterator<Item = String> {
        self.chain().map(|der| lower_hex(&Sha256::digest(der)))
    }

    /// The SHA-1 of each certificate of the chain, leaf first: a name for logs, no proof of anything.
    pub fn chain_sha1(&self) -> impl Iterator<Item = String> {
        self.chain().map(|der| lower_hex(&Sha1::digest(der)))
    }

    /// The serial number of each certificate of the chain, leaf first.
    pub fn chain_serials(&self) -> impl Iterator<Item = String> {
        self.chain()
            .filter_map(|der| Some(Self::parse(der)?.serial))
    }
}

/// The text below an explicit tag.
fn other_name(value: &[u8]) -> Option<&str> {
    let (_, tagged) = Any::from_der(value).ok()?;
    let (_, inner) = Any::from_der(tagged.data).ok()?;
    std::str::from_utf8(inner.data)
        .ok()
        .filter(|_| inner.as_any_string().is_ok())
}

fn lower_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// RFC 2253: the most specific part first, parts joined by commas, special characters escaped.
fn distinguished_name(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_attributes()
        .map(|attribute| {
            let oid = attribute.attr_type();
            let key = x509_parser::objects::oid2abbrev(oid, x509_parser::objects::oid_registry())
                .map_or_else(|_| oid.to_id_string(), str::to_owned);
            format!("{key}={}", escaped(attribute.as_str().unwrap_or_default()))
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (position, character) in value.char_indices() {
        let special = matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';')
            || (position == 0 && matches!(character, '#' | ' '))
            || (character == ' ' && position + 1 == value.len());
        if special {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::san::{SanKind, SanMatcher, SanPattern};
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn peer(names: Vec<SanType>) -> PeerCertificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let name = &mut params.distinguished_name;
        name.push(DnType::OrganizationName, "Mesh, Inc");
        name.push(DnType::CommonName, "catalog");
        params.subject_alt_names = names;
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        PeerCertificate::from_chain([certificate.der().as_ref()]).expect("X.509")
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().expect("ASCII"))
    }

    #[test]
    fn names_and_subject_are_read() {
        let id = "spiffe://cluster.local/ns/shop/sa/catalog";
        let peer = peer(vec![uri(id), SanType::IpAddress([10, 0, 0, 1].into())]);
        assert_eq!(peer.spiffe_id().map(Str::as_str), Some(id));
        assert_eq!(peer.subject(), "CN=catalog,O=Mesh\\, Inc");
        assert_eq!(peer.ip_addresses().next(), Some([10, 0, 0, 1].into()));
        assert_eq!(peer.sha256().len(), 64);
    }

    #[test]
    fn two_uris_are_no_spiffe_id() {
        assert_eq!(
            peer(vec![uri("spiffe://a/b"), uri("spiffe://c/d")]).spiffe_id(),
            None
        );
    }

    #[test]
    fn patterns_match_their_kind_only() {
        let wildcard = SanType::DnsName("*.shop.example".try_into().expect("ASCII"));
        let peer = peer(vec![uri("spiffe://td/ns/a/sa/b"), wildcard]);
        for (kind, pattern, expected) in [
            (
                SanKind::Uri,
                SanPattern::Prefix("spiffe://td/".into()),
                true,
            ),
            (
                SanKind::Uri,
                SanPattern::Prefix("spiffe://t/".into()),
                false,
            ),
            (
                SanKind::Uri,
                SanPattern::Exact("spiffe://td/ns/a/sa/b".into()),
                true,
            ),
            (
                SanKind::Dns,
                SanPattern::Exact("spiffe://td/ns/a/sa/b".into()),
                false,
            ),
            (
                SanKind::Dns,
                SanPattern::Exact("www.shop.example".into()),
                true,
            ),
            (
                SanKind::Dns,
                SanPattern::Exact("a.b.shop.example".into()),
                false,
            ),
            (SanKind::Any, SanPattern::Suffix("/sa/b".into()), true),
        ] {
            let matcher = SanMatcher { kind, pattern };
            assert_eq!(matcher.matches(&peer), expected, "{matcher:?}");
        }
    }
}
