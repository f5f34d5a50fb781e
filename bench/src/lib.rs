//! Load drivers: requests through a mesh, and simulated proxies on a control plane.
//!
//! Everything here is bounded in count and time, and talks to addresses of this machine only.

pub mod control_plane;
pub mod load;
pub mod process;
pub mod traffic;
