//! TLS configurations from SVIDs, peer verification, ALPN; the only dependant of rustls.
