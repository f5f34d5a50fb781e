//! Which of a server's certificates a client gets.

use std::sync::Arc;

use ferromesh_types::Str;
use rustls::SignatureAlgorithm;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::peer::PeerCertificate;

/// The certificates of one server, in the order of the settings.
#[derive(Debug)]
pub(crate) struct Certificates {
    all: Vec<Certificate>,
    require_sni: bool,
}

#[derive(Debug)]
struct Certificate {
    key: Arc<CertifiedKey>,
    names: Vec<Str>,
}

/// How well a certificate is for a server name; a better fit is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Other,
    Wildcard,
    Exact,
}

impl Certificates {
    pub(crate) fn new(keys: Vec<Arc<CertifiedKey>>, require_sni: bool) -> Self {
        // One certificate needs no choice, so its names are not even read.
        let only = keys.len() == 1;
        let certificate = |key: Arc<CertifiedKey>| {
            let names = if only { Vec::new() } else { names(&key) };
            Certificate { key, names }
        };
        Self {
            all: keys.into_iter().map(certificate).collect(),
            require_sni,
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let server_name = hello.server_name();
        if server_name.is_none() && self.require_sni {
            return None;
        }
        if let [only] = self.all.as_slice() {
            return Some(Arc::clone(&only.key));
        }
        let understood = |each: &&Certificate| {
            let schemes = hello.signature_schemes();
            each.key.key.choose_scheme(schemes).is_some()
        };
        let mut best = None;
        for each in self.all.iter().filter(understood) {
            let fit = server_name.map_or(Fit::Other, |name| each.fit(name));
            // ECDSA costs us less. Of equals, the first one stays.
            let rank = (fit, each.key.key.algorithm() == SignatureAlgorithm::ECDSA);
            if best.is_none_or(|(_, before)| rank > before) {
                best = Some((each, rank));
            }
        }
        let first = self.all.first();
        best.map(|(each, _)| each)
            .or(first)
            .map(|each| Arc::clone(&each.key))
    }
}

impl Certificate {
    fn fit(&self, server_name: &str) -> Fit {
        let fit = |name: &Str| {
            if name.eq_ignore_ascii_case(server_name) {
                return Fit::Exact;
            }
            let parent = server_name.split_once('.').map(|(_, parent)| parent);
            match (name.strip_prefix("*."), parent) {
                (Some(domain), Some(parent)) if domain.eq_ignore_ascii_case(parent) => {
                    Fit::Wildcard
                }
                _ => Fit::Other,
            }
        };
        self.names.iter().map(fit).max().unwrap_or(Fit::Other)
    }
}

fn names(key: &CertifiedKey) -> Vec<Str> {
    let leaf = key.cert.first();
    let read = leaf.and_then(|leaf| PeerCertificate::from_chain([leaf.as_ref()]));
    read.map_or_else(Vec::new, |read| read.dns_names().map(Str::from).collect())
}
