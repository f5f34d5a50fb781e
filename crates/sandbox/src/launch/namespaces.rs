//! Entering and leaving Linux namespaces, for the calling thread.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::thread::{
    LinkNameSpaceType, ThreadNameSpaceType, UnshareFlags, move_into_link_name_space,
    move_into_thread_name_spaces,
};

/// Gives the calling thread namespaces of its own.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // The function is marked for the one flag that can break memory safety, CLONE_FILES (two
    // threads would disagree about what a descriptor is); no caller here passes it.
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    #[expect(
        deprecated,
        reason = "safe without CLONE_FILES; its successor needs `unsafe`"
    )]
    rustix::thread::unshare(flags)?;
    Ok(())
}

/// Moves the calling thread into the network namespace at `path`.
pub(super) fn enter_network(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

/// Moves the calling thread into `namespaces` of the process behind `pidfd`.
pub(super) fn enter_process(pidfd: impl AsFd, namespaces: ThreadNameSpaceType) -> io::Result<()> {
    move_into_thread_name_spaces(pidfd.as_fd(), namespaces)?;
    Ok(())
}
