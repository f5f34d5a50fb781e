//! SVID rotation, SDS, bootstrap, DNS proxy, probes, supervision of a stock Envoy.
