//! SPIFFE identities, trust domains and X.509-SVID parsing.
//!
//! In: text or a certificate in DER. Out: names that were checked once and are cheap to clone. Which
//! roots a certificate must chain to is decided in `tls`; this crate only says who it names.

mod spiffe_id;
mod svid;
mod trust_domain;

pub use spiffe_id::{SpiffeId, SpiffeIdError};
pub use svid::{Svid, SvidError};
pub use trust_domain::{TrustDomain, TrustDomainError};
