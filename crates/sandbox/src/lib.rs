//! Pods as processes in network namespaces.
