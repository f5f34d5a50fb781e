//! Services, endpoints and workloads, merged from Kubernetes objects, ServiceEntries and
//! WorkloadEntries.
//!
//! In: changes of config objects, one batch at a time ([`Registry::apply`]). Out: what the mesh
//! offers (`Service`), where it runs (`Endpoint`, by service in an [`EndpointIndex`]), and exactly
//! which of it the batch touched ([`RegistryChange`]). Everything handed out is an immutable,
//! shared value: a reader that holds yesterday's index is never disturbed.
//!
//! Visibility, routing and policy live above, in `model`.

mod auto_address;
mod change;
mod endpoint;
mod endpoint_index;
mod registry;
mod service;
mod settings;
mod shared_map;
mod source;
mod visibility;
mod workload;

pub use change::RegistryChange;
pub use endpoint::{Endpoint, EndpointAddress, Health, ServiceEndpoints};
pub use endpoint_index::{EndpointIndex, InboundInstance};
pub use registry::{ObjectChange, Registry};
pub use service::{Alias, Provider, Resolution, Service, ServiceKey, ServicePort, TargetPort};
pub use settings::RegistrySettings;
pub use shared_map::SharedMap;
pub use source::created;
pub use visibility::Visibility;
pub use workload::Workload;
