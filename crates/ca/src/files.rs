//! Reading and writing key files: whole or not at all, keys readable by the owner only.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::error::MaterialError;

pub(crate) fn read(path: &Path) -> Result<String, MaterialError> {
    fs::read_to_string(path).map_err(|source| MaterialError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })
}

/// Creates `directory` for the owner only, where it does not exist.
pub(crate) fn make_directory(directory: &Path) -> Result<(), MaterialError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| MaterialError::File {
            action: "create",
            path: directory.to_owned(),
            source,
        })
}

/// Replaces `path` by a file with `content`. A reader sees the old or the new file, also after a
/// crash in between.
pub(crate) fn replace(path: &Path, content: &str, mode: u32) -> Result<(), MaterialError> {
    let failed = |source| MaterialError::File {
        action: "write",
        path: path.to_owned(),
        source,
    };
    let temporary = path.with_extension("new");
    // What a crash left behind may have another mode.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)
}
