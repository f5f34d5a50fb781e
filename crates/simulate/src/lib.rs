//! What happens to a call, without a socket: config in, proxy in, call in; listener, filter chain,
//! route, cluster, endpoints and policy out, with the reason of every step.
//!
//! The same resources that the control plane would send are generated, compiled by the proxy's own
//! compiler and walked with the matching code that serves traffic, so the answer is the proxy's.
//! Resources recorded elsewhere can be walked just the same.
//!
//! ```text
//! YAML ─▶ Mesh ─▶ Resources (generated, or recorded) ─▶ Plane (compiled) ─▶ walk(call) ─▶ Walk
//! ```

mod call;
mod chain;
mod forward;
mod headers;
mod listener;
mod mesh;
mod plane;
pub mod recording;
mod resources;
mod route;
mod walk;

pub use call::{Call, Direction, Protocol, Tls};
pub use forward::{Forwarding, Mirror, Retrying, Share, Target, TargetEndpoint, UpstreamTlsMode};
pub use headers::Headers;
pub use mesh::{Mesh, MeshError, proxy};
pub use plane::{Plane, RefusedResource, ResourceKind};
pub use resources::{ResourceError, Resources};
pub use walk::{End, Failure, Other, Stage, Step, Walk};
