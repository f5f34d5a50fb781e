//! Hearing of changes: inotify.
//!
//! A file is looked at when its writer has closed it, or when it was moved into place; never while
//! it is written. A file that went is a hint only: editors move a file away and write it anew, so
//! the caller waits a moment before it believes it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use crate::scan::Rank;

/// Watches directories.
#[derive(Debug)]
pub(crate) struct Watcher {
    descriptor: Arc<OwnedFd>,
    directories: HashMap<i32, (PathBuf, Rank)>,
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A file is complete.
    Written(PathBuf, Rank),
    /// A file went.
    Gone(PathBuf),
    /// Something about a directory; look at everything below it.
    Directory(PathBuf, Rank),
    /// Events were lost; look at everything.
    Overflow,
}

impl Watcher {
    /// Watches nothing yet.
    pub(crate) fn new() -> io::Result<Self> {
        let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self {
            descriptor: Arc::new(descriptor),
            directories: HashMap::new(),
        })
    }

    /// The descriptor to wait on.
    pub(crate) fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.descriptor)
    }

    /// Watches a directory; one that is watched already stays so.
    pub(crate) fn add(&mut self, directory: &Path, rank: Rank) -> io::Result<()> {
        let events = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        let id = inotify::add_watch(&self.descriptor, directory, events)?;
        self.directories.insert(id, (directory.to_owned(), rank));
        Ok(())
    }

    /// All that was heard since the last call. Does not wait.
    pub(crate) fn read(&mut self) -> io::Result<Vec<Event>> {
        let mut heard = Vec::new();
        let mut buffer = [MaybeUninit::<u8>::uninit(); 16 << 10];
        let descriptor = Arc::clone(&self.descriptor);
        let mut reader = inotify::Reader::new(&*descriptor, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event
                        .file_name()
                        .map(|name| OsStr::from_bytes(name.to_bytes()));
                    heard.extend(self.event(event.wd(), event.events(), name));
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(heard),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn event(&mut self, id: i32, flags: ReadFlags, name: Option<&OsStr>) -> Option<Event> {
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            return Some(Event::Overflow);
        }
        if flags.contains(ReadFlags::IGNORED) {
            self.directories.remove(&id);
            return None;
        }
        let (directory, rank) = self.directories.get(&id)?;
        if flags.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
            return Some(Event::Directory(directory.clone(), *rank));
        }
        let path = directory.join(name?);
        // A mounted ConfigMap changes all its files at once by moving a hidden link.
        let hidden = crate::scan::is_hidden(&path);
        if flags.contains(ReadFlags::ISDIR) || (hidden && flags.contains(ReadFlags::MOVED_TO)) {
            let changed = if hidden { directory.clone() } else { path };
            return Some(Event::Directory(changed, *rank));
        }
        if hidden {
            return None;
        }
        if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            // A link to a directory goes like a file does.
            return Some(if crate::scan::is_config(&path) {
                Event::Gone(path)
            } else {
                Event::Directory(path, *rank)
            });
        }
        if flags.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO) || is_linked(&path) {
            return Some(if path.is_dir() {
                Event::Directory(path, *rank)
            } else {
                Event::Written(path, *rank)
            });
        }
        None
    }
}

/// Whether a file that just appeared is a link: nobody is going to write and close it.
fn is_linked(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink() || m.nlink() > 1)
}
