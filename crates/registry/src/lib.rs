//! Services, endpoints and workloads merged from Kubernetes and ServiceEntry.
