//! What a source tells: changes, and what is wrong.

use std::sync::Arc;

use ferromesh_config::{Object, Problem};
use ferromesh_types::ResourceKey;

/// Changes that are to be taken together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Objects that came, changed or went, in the order of their keys.
    pub changes: Vec<Change>,
    /// All problems that there are now, not only the new ones.
    pub problems: Arc<Vec<Problem>>,
    /// The first batch: it holds everything that was there at the start.
    pub initial: bool,
}

/// A change of one object. `old` and `new` are never both absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which object.
    pub key: ResourceKey,
    /// The version that was in force; absent when the object is new.
    pub old: Option<Arc<Object>>,
    /// The version that is in force; absent when the object is gone.
    pub new: Option<Arc<Object>>,
}
