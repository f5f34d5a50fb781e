//! Newtypes shared by every crate: hostnames, namespaces, labels, protocols, localities.
