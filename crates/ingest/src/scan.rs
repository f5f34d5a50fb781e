//! The files and directories below the roots.
//!
//! Names that begin with a dot are left out: editors keep their swap files there, and a mounted
//! ConfigMap its own bookkeeping. Links are followed; a directory is walked once.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Deeper trees are a mistake, or a loop.
const DEPTH: usize = 32;

/// Which sort of root a file is below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rank {
    /// Written by users.
    Config,
    /// Written by the machine; wins over config.
    Status,
}

/// Tells versions of a file apart without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: (i64, i64),
    changed: (i64, i64),
    size: u64,
    inode: (u64, u64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.size(),
            inode: (metadata.dev(), metadata.ino()),
        }
    }
}

/// What is below the roots.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Files of YAML or JSON, in the order of roots and names.
    pub(crate) files: Vec<(PathBuf, Rank)>,
    /// Directories, roots included.
    pub(crate) directories: Vec<(PathBuf, Rank)>,
    /// What could not be read.
    pub(crate) failed: Vec<(PathBuf, io::Error)>,
}

impl Scan {
    /// Walks the roots. A status root inside a config root counts as status only.
    pub(crate) fn of_roots(config: &[PathBuf], status: &[PathBuf]) -> Self {
        let mut walk = Walk {
            scan: Self::default(),
            seen: HashSet::new(),
        };
        for (roots, rank) in [(status, Rank::Status), (config, Rank::Config)] {
            for root in roots {
                walk.enter(root, rank, 0);
            }
        }
        walk.scan
    }

    /// Walks a directory that appeared below a root.
    pub(crate) fn of_directory(path: &Path, rank: Rank) -> Self {
        let mut walk = Walk {
            scan: Self::default(),
            seen: HashSet::new(),
        };
        walk.enter(path, rank, 0);
        walk.scan
    }
}

struct Walk {
    scan: Scan,
    seen: HashSet<(u64, u64)>,
}

impl Walk {
    fn enter(&mut self, directory: &Path, rank: Rank, depth: usize) {
        match fs::metadata(directory) {
            Ok(metadata) if depth <= DEPTH => {
                if !self.seen.insert((metadata.dev(), metadata.ino())) {
                    return;
                }
            }
            Ok(_) => return,
            Err(error) => return self.scan.failed.push((directory.to_owned(), error)),
        }
        self.scan.directories.push((directory.to_owned(), rank));
        let mut entries: Vec<PathBuf> = match fs::read_dir(directory) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) => return self.scan.failed.push((directory.to_owned(), error)),
        };
        entries.sort();
        for path in entries.into_iter().filter(|path| !is_hidden(path)) {
            // A link to nothing, or a file that went between the two looks, is not there.
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            if metadata.is_dir() {
                self.enter(&path, rank, depth + 1);
            } else if metadata.is_file() && is_config(&path) {
                self.scan.files.push((path, rank));
            }
        }
    }
}

/// Whether the name begins with a dot.
pub(crate) fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Whether the name is that of a config file.
pub(crate) fn is_config(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["yaml", "yml", "json"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}
