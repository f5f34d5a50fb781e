//! Clusters at run time: endpoints with their counters, load balancing, circuit breakers.
//!
//! In: sets of endpoints from EDS, DNS or static config. Out: one endpoint per request. The compiled
//! description of a cluster is in `compiled`.

mod availability;
mod circuit_breaker;
pub(crate) mod clock;
pub(crate) mod dns;
mod endpoint;
mod health;
pub mod health_check;
pub mod lb;
mod lookup;
mod name_cache;
mod on_demand;
pub mod outlier;
mod set;
pub mod subset;

pub use circuit_breaker::{CircuitBreakers, Limit, LimitGuard, Resource, RetryBudget, Thresholds};
pub use endpoint::{
    ActiveConnectionGuard, ActiveRequestGuard, Availability, Endpoint, EndpointCounters, Health,
};
pub use ferromesh_net::Address;
pub use health::{EndpointHealth, HealthFlags};
pub use health_check::HealthChecks;
pub use lb::{HashFunction, LbPolicy, PickContext};
pub use lookup::Refresh;
pub use name_cache::{
    NameCache, NameCacheSettings, NameCaches, NamedAddress, NoAddress, OtherSettings,
    UnwantedAddresses,
};
pub use on_demand::EndpointsOnDemand;
pub use outlier::{Finding, OutlierDetection, OutlierSettings};
pub use set::{EndpointSet, LocalityGroup, LocalityWeights, PriorityGroup, SetSettings};
