//! Config read once, without watching: for commands that analyse files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ferromesh_config::{Code, Object, Origin, Problem};
use ferromesh_types::Str;

use crate::file::Why;
use crate::scan::{Rank, Scan};
use crate::store::Store;

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The objects in force, in the order of their keys.
    pub objects: Vec<Arc<Object>>,
    /// What is wrong, in the order of files and lines.
    pub problems: Vec<Problem>,
}

/// Reads all files below a directory.
pub fn load_directory(directory: &Path) -> Loaded {
    load_paths(&[directory.to_owned()])
}

/// Reads files, whatever their names, and all files below directories.
pub fn load_paths(paths: &[PathBuf]) -> Loaded {
    let (files, directories): (Vec<_>, Vec<_>) =
        paths.iter().cloned().partition(|path| path.is_file());
    let scan = Scan::of_roots(&directories, &[]);
    let mut store = Store::default();
    for path in files.iter().chain(scan.files.iter().map(|(path, _)| path)) {
        store.look_at(path, Rank::Config, Why::Routine);
    }
    store.take_changes();
    let mut problems: Vec<Problem> = scan
        .failed
        .iter()
        .map(|(path, error)| Problem {
            origin: Some(Origin {
                file: Str::from(path.to_string_lossy().as_ref()),
                line: 0,
            }),
            ..Problem::error(Code::Unreadable, format!("cannot be read: {error}"))
        })
        .collect();
    problems.extend(store.problems());
    let mut objects: Vec<_> = store.objects().cloned().collect();
    objects.sort_by(|a, b| a.key.cmp(&b.key));
    Loaded { objects, problems }
}
