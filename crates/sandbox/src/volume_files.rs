//! Writing volumes to disk and keeping their files up to date.
//!
//! A file is replaced by renaming a complete new one over it, so that a reader in a container sees
//! either the old or the new content. Directories are never replaced: they are bind mounted.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::plan::volumes::{VolumeContent, VolumeFile};

/// What keeps a volume from being written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the volume at {path}: {source}")]
pub struct VolumeWriteError {
    path: PathBuf,
    source: io::Error,
}

/// Brings the volume kept at `dir` to `content`; returns what to mount. `group` is the pod's
/// `fsGroup`.
///
/// # Errors
/// When a file cannot be written, or a path of the host is not there.
pub fn write_volume(
    dir: &Path,
    content: &VolumeContent,
    group: Option<u32>,
) -> Result<PathBuf, VolumeWriteError> {
    let fail = |source| VolumeWriteError {
        path: dir.to_owned(),
        source,
    };
    match content {
        VolumeContent::Host { path, create } => {
            if *create && !path.exists() {
                fs::create_dir_all(path).map_err(fail)?;
            }
            let found = fs::metadata(path);
            found
                .map(|_| path.clone())
                .map_err(|source| VolumeWriteError {
                    path: path.clone(),
                    source,
                })
        }
        VolumeContent::Scratch => {
            if !dir.exists() {
                make_dir(dir, 0o777, group).map_err(fail)?;
            }
            Ok(dir.to_owned())
        }
        VolumeContent::Files(files) => {
            make_dir(dir, 0o755, group).map_err(fail)?;
            for (path, file) in files {
                write_file(dir, path, file, group).map_err(fail)?;
            }
            remove_others(dir, Path::new(""), files).map_err(fail)?;
            Ok(dir.to_owned())
        }
    }
}

fn make_dir(dir: &Path, mode: u32, group: Option<u32>) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    if let Some(group) = group {
        chown(dir, None, Some(group))?;
    }
    // Files made in a directory with the set-group-id bit belong to its group.
    let mode = if group.is_some() { mode | 0o2070 } else { mode };
    fs::set_permissions(dir, Permissions::from_mode(mode))
}

fn write_file(dir: &Path, path: &str, file: &VolumeFile, group: Option<u32>) -> io::Result<()> {
    let target = dir.join(path);
    if fs::read(&target).is_ok_and(|old| old == file.bytes) {
        return Ok(());
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let temporary = target.with_file_name(format!(".{name}.new"));
    fs::write(&temporary, &file.bytes)?;
    if let Some(group) = group {
        chown(&temporary, None, Some(group))?;
    }
    fs::set_permissions(&temporary, Permissions::from_mode(file.mode & 0o777))?;
    fs::rename(&temporary, &target)
}

/// Removes files that the volume does not hold any more. Directories stay: one may be the mount
/// point of another volume.
fn remove_others(dir: &Path, below: &Path, files: &BTreeMap<String, VolumeFile>) -> io::Result<()> {
    for entry in fs::read_dir(dir.join(below))? {
        let entry = entry?;
        let inside = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            remove_others(dir, &inside, files)?;
        } else if !inside.to_str().is_some_and(|path| files.contains_key(path)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> VolumeContent {
        VolumeContent::Files(
            list.iter()
                .map(|(path, text)| {
                    let bytes = text.as_bytes().to_vec();
                    ((*path).to_owned(), VolumeFile { bytes, mode: 0o600 })
                })
                .collect(),
        )
    }

    #[test]
    fn files_are_added_changed_and_removed() {
        let parent = tempfile::tempdir().expect("a temporary directory");
        let dir = parent.path().join("v");
        write_volume(&dir, &files(&[("a", "1"), ("sub/b", "2")]), None).expect("written");
        write_volume(&dir, &files(&[("a", "3")]), None).expect("written");
        assert_eq!(fs::read_to_string(dir.join("a")).expect("kept"), "3");
        assert!(!dir.join("sub/b").exists());
        let mode = fs::metadata(dir.join("a"))
            .expect("kept")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_missing_path_of_the_host_is_named() {
        let content = VolumeContent::Host {
            path: "/no/such/place".into(),
            create: false,
        };
        let error = write_volume(Path::new("/unused"), &content, None).expect_err("missing");
        assert!(error.to_string().contains("/no/such/place"), "{error}");
    }
}
