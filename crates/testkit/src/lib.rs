//! Peers, certificates and ports for tests.
