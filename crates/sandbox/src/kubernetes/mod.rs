//! The part of the Kubernetes API that the sandbox runs, read leniently from an object's JSON.
//!
//! `config` checks what the mesh reads of these kinds; here is what a node agent reads. Fields that
//! are not named here are kept in the object's JSON and have no effect, except where running the
//! pod without them would be a lie: those are refused by `plan::refuse`.

mod container;
mod object;
mod pod;
mod probe;
mod service;
mod volume;
mod workload;

pub use container::{
    Container, ContainerPort, EnvFrom, EnvSource, EnvVar, FieldRef, KeyRef, Lifecycle, NameRef,
    ResourceFieldRef, Resources, SecurityContext, VolumeMount,
};
pub use object::{Metadata, OwnerReference};
pub use pod::{Pod, PodSecurityContext, PodSpec, RestartPolicy};
pub use probe::{ExecAction, Handler, HttpAction, HttpHeader, PortRef, Probe, TcpAction};
pub use service::{LoadBalancerIngress, Service, ServicePort, ServiceSpec};
pub use volume::{
    DownwardFile, DownwardSource, EmptyDir, HostPath, KeyPath, MapSource, Projected,
    ProjectedSource, SecretSource, TokenSource, Volume,
};
pub use workload::{
    Deployment, DeploymentSpec, LabelSelector, PodTemplate, RollingUpdate, Strategy,
};
