//! Rules that types cannot state, and the collector of what they find.
//!
//! Each kind walks its own content with a [`Findings`], which knows the path; the rules that many
//! kinds share are plain functions here that say what is wrong, in words close to those of the
//! Kubernetes API server and of Istio's admission webhook.

pub(crate) mod address;
pub(crate) mod findings;
pub(crate) mod format;
pub(crate) mod name;
pub(crate) mod scope;
pub(crate) mod text;

pub(crate) use findings::{Finding, Findings};
