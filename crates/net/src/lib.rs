//! Sockets, original destination, network namespaces; the only crate that may hold unsafe code.
