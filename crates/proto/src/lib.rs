//! Protobuf messages of Envoy and Istio, their type URLs, and JSON to protobuf and back.
//!
//! The messages of Envoy come from `envoy-types`; those that Istio adds on the wire are declared
//! in this crate's `proto/` folder. Descriptors of all of them are embedded and loaded only when a
//! JSON form is asked for, a file and its imports at a time: a sidecar that never prints its
//! configuration never pays for them.

pub mod any;
mod descriptor;
pub mod json;
pub mod structs;
pub mod type_url;
pub mod yaml;

pub use descriptor::message_descriptor;
pub use envoy_types::pb::{cel, envoy, google, opentelemetry};

/// Messages of the older universal data plane API.
pub mod udpa {
    pub use envoy_types::pb::udpa::annotations;

    /// Types shared by all users of the API.
    pub mod r#type {
        /// Version 1.
        #[allow(missing_docs, clippy::all, clippy::pedantic)]
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/udpa.r#type.v1.rs"));
        }
    }
}

/// Messages of the universal data plane API.
pub mod xds {
    pub use envoy_types::pb::xds::{annotations, core};

    /// Types shared by all users of the API.
    pub mod r#type {
        pub use envoy_types::pb::xds::r#type::matcher;

        /// Version 3.
        #[allow(missing_docs, clippy::all, clippy::pedantic)]
        pub mod v3 {
            pub use envoy_types::pb::xds::r#type::v3::*;
            include!(concat!(env!("OUT_DIR"), "/xds.r#type.v3.rs"));
        }
    }
}

/// Istio's own wire messages.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod istio {
    /// The name table of the DNS proxy.
    pub mod nds {
        include!(concat!(env!("OUT_DIR"), "/istio.networking.nds.v1.rs"));
    }
    /// The certificate service.
    pub mod auth {
        include!(concat!(env!("OUT_DIR"), "/istio.v1.auth.rs"));
    }
    /// Health of workloads outside Kubernetes.
    pub mod health {
        include!(concat!(env!("OUT_DIR"), "/istio.v1.rs"));
    }
    /// The proxy configuration as sent over xDS.
    pub mod mesh {
        include!(concat!(env!("OUT_DIR"), "/istio.mesh.v1alpha1.rs"));
    }
    /// Settings of `istio.stats`.
    pub mod stats {
        include!(concat!(env!("OUT_DIR"), "/stats.rs"));
    }
    /// Settings of `istio.alpn`.
    pub mod alpn {
        include!(concat!(
            env!("OUT_DIR"),
            "/istio.envoy.config.filter.http.alpn.v2alpha1.rs"
        ));
    }
    /// Settings of the HTTP peer metadata filter.
    pub mod peer_metadata {
        include!(concat!(env!("OUT_DIR"), "/io.istio.http.peer_metadata.rs"));
    }
    /// Settings of the TCP metadata exchange filter.
    pub mod metadata_exchange {
        include!(concat!(
            env!("OUT_DIR"),
            "/envoy.tcp.metadataexchange.config.rs"
        ));
    }
}
