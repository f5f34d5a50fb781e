//! Who calls: a workload's identity and how it was proven.

use std::fmt;

use ferromesh_types::{Namespace, Str};

use crate::error::AuthenticationError;

/// How an identity was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// By a service-account token.
    Token,
    /// By a client certificate of the mesh.
    ClientCertificate,
}

/// The authenticated identity of a caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The trust domain, as in `cluster.local`.
    pub trust_domain: Str,
    /// The namespace.
    pub namespace: Namespace,
    /// The service account.
    pub service_account: Str,
    /// How it was proven.
    pub proof: Proof,
}

impl Caller {
    /// The identity in a verified client certificate.
    pub fn from_spiffe_id(uri: &str) -> Result<Self, AuthenticationError> {
        let refused = || AuthenticationError::SpiffeId(uri.to_owned());
        let rest = uri.strip_prefix("spiffe://").ok_or_else(refused)?;
        let parts: Vec<&str> = rest.split('/').collect();
        let [trust_domain, "ns", namespace, "sa", account] = parts[..] else {
            return Err(refused());
        };
        if [trust_domain, namespace, account]
            .iter()
            .any(|part| part.is_empty())
        {
            return Err(refused());
        }
        Ok(Self {
            trust_domain: trust_domain.into(),
            namespace: namespace.into(),
            service_account: account.into(),
            proof: Proof::ClientCertificate,
        })
    }

    /// The SPIFFE id that the caller's certificates carry.
    pub fn spiffe_id(&self) -> String {
        format!(
            "spiffe://{}/ns/{}/sa/{}",
            self.trust_domain, self.namespace, self.service_account
        )
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spiffe_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_is_read_and_written_back() {
        let id = "spiffe://cluster.local/ns/shop/sa/web";
        assert_eq!(Caller::from_spiffe_id(id).expect("an id").spiffe_id(), id);
        for bad in [
            "https://cluster.local/ns/shop/sa/web",
            "spiffe://cluster.local/ns/shop",
            "spiffe://cluster.local/ns//sa/web",
            "spiffe://cluster.local/ns/a/sa/b/c",
        ] {
            assert!(Caller::from_spiffe_id(bad).is_err(), "{bad}");
        }
    }
}
