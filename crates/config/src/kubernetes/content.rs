//! The Kubernetes kinds as content of objects: lenient, read from the whole object.

use super::{
    ConfigMap, Deployment, EndpointSlice, Endpoints, Namespace, Node, Pod, Secret, Service,
    ServiceAccount,
};
use crate::check::Findings;
use crate::parse::Body;

macro_rules! without_rules {
    ($($name:ident),+) => {$(
        impl Body for $name {
            const STRICT: bool = false;
            /// The API server's own rules are not repeated here: what a mesh reads is typed.
            fn check(&self, _findings: &mut Findings<'_>) {}
        }
    )+};
}

without_rules!(
    ConfigMap,
    Deployment,
    EndpointSlice,
    Endpoints,
    Namespace,
    Node,
    Pod,
    Secret,
    ServiceAccount
);

impl Body for Service {
    const STRICT: bool = false;

    fn check(&self, findings: &mut Findings<'_>) {
        findings.field("spec", |findings| {
            findings.each("ports", &self.spec.ports, |findings, port| {
                if port.port == 0 {
                    findings.error_at("port", "Invalid value: 0: must be between 1 and 65535");
                }
            });
        });
    }
}
