//! The certificate authority: who asks, what is signed, and with which key.
//!
//! In: a certificate signing request and an authenticated [`Caller`]. Out: a chain whose only name
//! is the caller's SPIFFE id; of the request nothing but the public key is used. Time comes from
//! the caller, so that nothing here reads a clock.
//!
//! | file | concern |
//! |---|---|
//! | `material` | keys and certificates on disk: self-signed in a state directory, or plugged in |
//! | `authority` | signing |
//! | `token` | service-account tokens: the sandbox issues them, the control plane verifies them |
//! | `caller` | identities, from a token or from a client certificate |

mod authority;
mod caller;
mod error;
mod files;
mod material;
pub mod token;

pub use authority::{Authority, AuthoritySettings, IssuedChain, ServingCertificate};
pub use caller::{Caller, Proof};
pub use error::{AuthenticationError, ErrorKind, MaterialError, SigningError};
pub use material::{KeyMaterial, Origin};
