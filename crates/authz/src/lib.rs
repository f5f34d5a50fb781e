//! Role-based access control as pure functions.
//!
//! In: policies compiled once per config generation, and [`Facts`] about a request or a connection.
//! Out: a [`Verdict`], and which policy decided. Nothing here allocates, does I/O or knows Envoy's
//! messages; `proxy::xds` compiles those into [`RuleSet`]s.

mod condition;
mod facts;
mod rules;
mod value;

pub use condition::{AddressOf, Condition, MetadataMatch};
pub use facts::Facts;
pub use rules::{Action, Policy, RuleSet, Verdict};
pub use value::ValueMatch;

#[cfg(test)]
mod tests;
