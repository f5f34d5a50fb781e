//! Numbers: counted by the workers without sharing, summed up by whoever scrapes.
//!
//! Names are Envoy's. Handles are resolved when config is compiled, so that the request path adds
//! to a cell and never looks up a name. `render` writes them out.

mod cells;
mod codes;
pub(crate) mod group;
pub mod groups;
mod histogram;
mod registry;
pub mod render;
mod tags;

pub use cells::enter_worker;
pub use group::{CodeCounters, Counter, Gauge, Histogram, Stat, StatGroup, StatKind};
pub use groups::{
    ClusterStats, ConnectionLimitStats, CorsStats, FaultStats, GrpcStats, GrpcTimeStats,
    HealthCheckStats, HttpStats, ListenerStats, NameCacheStats, OutlierStats, RbacPolicyStats,
    RbacShadowStats, RbacStats, SubsetStats, TcpStats,
};
pub use histogram::{BOUNDS, HistogramSample};
pub use registry::{Sample, Stats, Value};
