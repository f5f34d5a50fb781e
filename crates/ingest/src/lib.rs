//! Sources of config: directories of YAML, watched.
//!
//! In: directories of files. Out: [`Batch`]es of changed objects over a channel, and all problems
//! that there are. A mistake in a file never changes anything but what it is about: the last good
//! version of its objects stays in force.
//!
//! `scan` finds the files, `file` reads one, `store` decides which version of an object counts,
//! `watch` hears of changes, `directory` runs it all.

mod batch;
mod directory;
mod file;
mod load;
mod scan;
mod store;
mod watch;

pub use batch::{Batch, Change};
pub use directory::{DirectorySettings, DirectorySource, IngestError};
pub use load::{Loaded, load_directory, load_paths};
