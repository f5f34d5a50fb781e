//! Moving the calling thread into another network namespace.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use thiserror::Error;

/// The namespace could not be entered.
#[derive(Debug, Error)]
pub enum NamespaceError {
    /// The file that names the namespace cannot be opened.
    #[error("cannot open the network namespace {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// The kernel refused.
    #[error("cannot enter the network namespace {path}: {source} (this needs CAP_SYS_ADMIN)")]
    Enter {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: rustix::io::Errno,
    },
}

/// Moves the calling thread, and no other, into the network namespace at `path`
/// (`/var/run/netns/x`, `/proc/PID/ns/net`). Sockets that it opens from now on live there.
pub fn enter_network_namespace(path: &Path) -> Result<(), NamespaceError> {
    let file = File::open(path).map_err(|source| NamespaceError::Open {
        path: path.to_owned(),
        source,
    })?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|source| {
        NamespaceError::Enter {
            path: path.to_owned(),
            source,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_namespace_is_named() {
        let error = enter_network_namespace(Path::new("/nonexistent/netns")).expect_err("no file");
        assert!(error.to_string().contains("/nonexistent/netns"));
    }
}
