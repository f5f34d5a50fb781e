//! The certificate authority: authenticate a request, sign it, keep the root.
