//! Traffic redirection: which packets of a pod go through its proxy.
//!
//! [`Config`] says what to capture, in Istio's words. [`plan()`] turns it into a [`Ruleset`] for
//! each IP family; that is pure. Only [`apply`] runs commands. A rule set that is already in place
//! is replaced in one transaction, so that running it twice is the same as running it once.

pub mod apply;
mod config;
mod dns;
mod inbound;
mod outbound;
mod plan;
mod ruleset;
mod tproxy;

pub use config::{Config, ConfigError, InterceptionMode, Ports, Ranges};
pub use plan::{Plan, plan};
pub use ruleset::{Family, Position, Rule, Ruleset, Table};
