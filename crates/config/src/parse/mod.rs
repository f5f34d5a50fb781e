//! Text → objects. One bad object never keeps another from being read.
//!
//! In: the text of a file. Out: per object either the typed object with its warnings, or all that
//! is wrong with it. `envelope` finds out what an object is, `body` reads and checks its content,
//! `reword` turns library messages into our own words.

mod body;
mod document;
mod envelope;
mod ignored;
mod reword;

pub(crate) use body::{Body, Checked, body, typed};
pub use document::{Rejected, parse_all, parse_documents};
