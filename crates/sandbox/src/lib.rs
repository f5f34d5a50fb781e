//! A whole mesh on one Linux machine: pods as processes in network namespaces, from ordinary
//! Kubernetes and Istio YAML, without a cluster, containers or images.
//!
//! The tree is the way from text to process: [`supervisor`] reads the user's directory and decides
//! what runs, [`plan`] works out what that means for one pod, [`pod`] lives one pod's life,
//! [`launch`] turns a planned container into a process, [`network`] and [`dns`] connect them.
//! Everything that is made on the host carries the sandbox's name ([`names`]) and is found by it
//! again, so that nothing is left behind even after `kill -9`.
//!
//! Namespaces keep the machine tidy; they are no security boundary: a container that runs as root
//! is root on the machine.

pub mod address;
pub mod control;
pub mod dns;
pub mod edit;
mod glob;
pub mod images;
pub mod keyed;
pub mod kubernetes;
pub mod launch;
pub mod names;
pub mod network;
pub mod plan;
pub mod pod;
pub mod state_dir;
pub mod supervisor;
pub mod system;
pub mod values;
pub mod volume_files;
