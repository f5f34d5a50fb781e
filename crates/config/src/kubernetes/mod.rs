//! The Kubernetes kinds, as far as a mesh reads them.
//!
//! Unlike Istio's kinds these types are subsets: unknown fields are accepted, because the mesh is
//! not the owner of the API. The whole object stays available in `Object::raw`.

mod content;
mod endpoints;
mod node;
mod pod;
mod service;
mod simple;
mod workload;

pub use endpoints::{
    EndpointAddress, EndpointConditions, EndpointPort, EndpointSlice, EndpointSubset, Endpoints,
    SliceEndpoint, SlicePort, TargetReference,
};
pub use node::{Node, NodeAddress, NodeStatus};
pub use pod::{
    Condition, Container, ContainerPort, ContainerStatus, HttpGetAction, Pod, PodIp, PodSpec,
    PodStatus, PortAction, Probe,
};
pub use service::{
    LoadBalancerIngress, LoadBalancerStatus, Service, ServicePort, ServiceSpec, ServiceStatus,
    ServiceType,
};
pub use simple::{ConfigMap, Namespace, Secret, ServiceAccount};
pub use workload::{Deployment, DeploymentSpec, PodTemplate, TemplateMeta, WorkloadSelector};
