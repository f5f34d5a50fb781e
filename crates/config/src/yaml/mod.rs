//! YAML text → trees of values that know their lines.
//!
//! In: the text of a file. Out: one tree per document; a document that is not YAML is an error of
//! its own and leaves the others alone. Values resolve as the Kubernetes API server resolves them
//! (YAML 1.1 booleans and octal numbers), which differs from what a YAML 1.2 library does.

mod load;
mod node;
mod scalar;
mod split;

pub(crate) use load::{Document, load};
pub(crate) use node::{Node, NodeValue};
pub(crate) use split::split;
