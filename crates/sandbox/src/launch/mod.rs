//! From a planned container to a running process, without a container engine.
//!
//! Three processes take part:
//!
//! * the **sandbox** makes the pod's network namespace and starts, from a thread that has entered
//!   it and unshared the process-id, host-name and IPC namespaces ([`spawn`]), one
//! * **pod init** per pod ([`init`]): process 1 of the pod. It starts containers, reaps, writes
//!   their logs and answers over a socket ([`protocol`]). When the sandbox goes, even by
//!   `kill -9`, the socket ends, pod init leaves, and the kernel kills whatever runs in the pod.
//! * a **container** begins as our own program ([`enter`]): it unshares the mount namespace, builds
//!   the root ([`root`]), drops to its user and becomes the command.
//!
//! All are the same executable, run with a hidden sub-command ([`POD_COMMAND`]).

pub mod enter;
pub mod init;
mod log_file;
mod namespaces;
pub mod protocol;
mod root;
pub mod spawn;
mod streams;

pub use log_file::{LogLine, parse_log_line};

/// The hidden sub-command under which the executable runs itself again inside a pod.
pub const POD_COMMAND: &str = "pod-exec";
