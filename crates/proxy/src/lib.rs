//! The data plane: listeners, filter chains, routes, clusters, endpoints.
