//! Rules that types cannot state, and the collector of what they find.
//!
//! Each kind walks its own content with a [`Findings`], which knows the path; the rules that many
//! kinds share (`name`, `port`, `address`, `text`) are plain functions that say what is wrong.

pub(crate) mod findings;
pub(crate) mod name;

pub(crate) use findings::{Finding, Findings};
