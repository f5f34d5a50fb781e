//! Certificates: the authority of the process, the certificate service, the serving certificate.

pub(crate) mod authority;
pub(crate) mod service;
pub(crate) mod serving;
