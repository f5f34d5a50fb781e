//! The sandbox as a whole: reads the user's directory, keeps the pods that it asks for running, and
//! tells the control plane about them.
//!
//! One task owns all state ([`cluster`]); it takes batches of config, reports of pods and questions
//! from the control socket one at a time, and after each of them does what is missing
//! (`reconcile`). Nothing else changes what runs.

mod cluster;
mod injection;
mod objects;
mod reconcile;
mod report;
mod schedule;
mod services;
mod start;
mod status_dir;
mod tokens;
mod told;

pub(crate) use cluster::Question;
pub use report::{PodReportRow, ServiceReportRow, StatusReport};
pub use start::{DataPlane, Sandbox, SandboxError, SandboxSettings, clean_up};
