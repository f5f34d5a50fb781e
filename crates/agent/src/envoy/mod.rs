//! A stock Envoy as a supervised process.
//!
//! In: the agent's settings. Out: a written bootstrap, a running process, its readiness and metrics
//! through its admin port, and an orderly end. When Envoy ends by itself the agent leaves too, with
//! an error: whoever runs the container starts both again.

mod arguments;
mod control;
mod process;

pub use control::EnvoyControl;
pub use process::{EnvoyError, EnvoyProcess};
