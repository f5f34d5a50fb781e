//! SPIFFE identities, trust domains and X.509-SVID parsing.
