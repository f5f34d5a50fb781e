//! xDS resources to compiled config: decode, validate, compile. Nothing here touches live state.
//!
//! In: one protobuf resource. Out: its compiled form, or a [`Refusal`] that names the field. Every
//! field is either understood, accepted by name as without effect, or refused; filters that decide
//! about access are never skipped. Warming and publication are in `crate::snapshot`.

// Control planes still send many fields that Envoy has deprecated; they have to be read.
#![allow(deprecated)]

mod access_logs;
mod admission;
pub mod cds;
mod context;
mod edge;
pub mod eds;
pub(crate) mod fields;
mod header_edits;
mod health_checks;
mod http_filters;
mod http_manager;
mod http_options;
pub mod lds;
mod listener_filters;
mod load_balancing;
mod local_replies;
mod matchers;
mod mirrors;
mod name_caches;
mod network_filters;
mod outlier;
pub(crate) mod overload;
mod rbac;
pub mod rds;
pub(crate) mod refusal;
mod retries;
mod route_action;
pub mod sds;
mod subsets;
mod transport;
mod upstream_http;
mod validation;

pub use context::{Compiled, Compiler};
pub use refusal::Refusal;
