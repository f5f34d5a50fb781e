//! The source: watched directories → batches of changes.
//!
//! Reading and parsing run on the blocking pool; the state moves there and back, so that nothing
//! is shared. A slow look at everything backs inotify up where it does not work (network file
//! systems, too many watches).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ferromesh_config::{Code, Origin, Problem};
use ferromesh_types::Str;
use thiserror::Error;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::batch::Batch;
use crate::file::Why;
use crate::scan::{Rank, Scan, is_config};
use crate::store::Store;
use crate::watch::{Event, Watcher};

/// A file that went comes back within this time when an editor saves it by moving.
const GONE_FOR_GOOD: Duration = Duration::from_millis(50);
/// Writers that take longer than this between two writes show their work half done.
const FRESH: Duration = Duration::from_millis(500);
/// How often everything is looked at when changes cannot all be heard of.
const RESCAN_DEAF: Duration = Duration::from_secs(1);

/// Which directories, and how they are watched.
#[derive(Clone, Debug)]
pub struct DirectorySettings {
    /// Directories that users write.
    pub config: Vec<PathBuf>,
    /// Directories that the machine writes; an object there wins over the same object in a config
    /// directory.
    pub status: Vec<PathBuf>,
    /// How often everything is looked at besides the changes that are heard of.
    pub rescan: Duration,
}

impl DirectorySettings {
    /// Watches these directories, with a look at everything each 30 s.
    pub fn new(config: Vec<PathBuf>, status: Vec<PathBuf>) -> Self {
        Self {
            config,
            status,
            rescan: Duration::from_secs(30),
        }
    }
}

/// Why a source ended.
#[derive(Debug, Error)]
pub enum IngestError {
    /// The kernel gives no inotify instance.
    #[error("cannot watch directories: {0}; see fs.inotify.max_user_instances")]
    Watch(#[source] io::Error),
    /// The process is ending.
    #[error("the task that reads the files ended: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Watched directories.
#[derive(Debug)]
pub struct DirectorySource {
    settings: DirectorySettings,
}

impl DirectorySource {
    /// A source that is not running yet.
    pub fn new(settings: DirectorySettings) -> Self {
        Self { settings }
    }

    /// Sends everything as the first batch, then each change, until the receiver is gone. Must run
    /// inside a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// When the kernel gives no inotify instance.
    pub async fn run(self, sender: mpsc::Sender<Batch>) -> Result<(), IngestError> {
        let watcher = Watcher::new().map_err(IngestError::Watch)?;
        let changes = registered(watcher.descriptor()).map_err(IngestError::Watch)?;
        let mut worker = Worker::new(self.settings, watcher);
        let mut wake = Wake {
            everything: true,
            initial: true,
        };
        loop {
            let (back, batch) = tokio::task::spawn_blocking(move || {
                let batch = worker.step(wake);
                (worker, batch)
            })
            .await?;
            worker = back;
            if let Some(batch) = batch
                && sender.send(batch).await.is_err()
            {
                return Ok(());
            }
            wake = Wake {
                everything: false,
                initial: false,
            };
            tokio::select! {
                biased;
                () = sender.closed() => return Ok(()),
                ready = changes.readable() => {
                    ready.map_err(IngestError::Watch)?.clear_ready();
                }
                () = tokio::time::sleep_until(worker.due()) => {
                    wake.everything = worker.rescan_at <= Instant::now();
                }
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "the successor is unsafe; an owned descriptor keeps its contract"
)]
fn registered(descriptor: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    AsyncFd::new(descriptor)
}

/// What a step is for.
#[derive(Clone, Copy, Debug)]
struct Wake {
    everything: bool,
    initial: bool,
}

#[derive(Debug)]
struct Worker {
    settings: DirectorySettings,
    watcher: Watcher,
    store: Store,
    ranks: BTreeMap<PathBuf, Rank>,
    gone: BTreeMap<PathBuf, Instant>,
    failed: Vec<Problem>,
    deaf: bool,
    rescan_at: Instant,
}

impl Worker {
    fn new(settings: DirectorySettings, watcher: Watcher) -> Self {
        Self {
            settings,
            watcher,
            store: Store::default(),
            ranks: BTreeMap::new(),
            gone: BTreeMap::new(),
            failed: Vec::new(),
            deaf: false,
            rescan_at: Instant::now(),
        }
    }

    /// When to wake up though nothing was heard.
    fn due(&self) -> Instant {
        self.gone
            .values()
            .copied()
            .fold(self.rescan_at, Instant::min)
    }

    fn step(&mut self, wake: Wake) -> Option<Batch> {
        let mut everything = wake.everything;
        let mut failed_before = None;
        match self.watcher.read() {
            Ok(events) => {
                for event in events {
                    everything |= self.heard(event);
                }
            }
            Err(error) => {
                warn!(%error, "changes of files cannot be heard of; looking at all of them");
                (self.deaf, everything) = (true, true);
            }
        }
        if everything {
            failed_before = Some(std::mem::take(&mut self.failed));
            self.look_at_everything();
        }
        self.believe_gone();
        let changes = self.store.take_changes();
        let failures_differ = failed_before.is_some_and(|before| before != self.failed);
        if changes.is_none() && !failures_differ && !wake.initial {
            return None;
        }
        let mut problems = self.failed.clone();
        problems.extend(self.store.problems());
        let changes = changes.unwrap_or_default();
        debug!(
            changes = changes.len(),
            problems = problems.len(),
            "config read"
        );
        Some(Batch {
            changes,
            problems: Arc::new(problems),
            initial: wake.initial,
        })
    }

    /// Takes an event; true when everything has to be looked at.
    fn heard(&mut self, event: Event) -> bool {
        match event {
            Event::Written(path, rank) if is_config(&path) => {
                self.gone.remove(&path);
                self.ranks.insert(path.clone(), rank);
                self.store.look_at(&path, rank, Why::Written);
                false
            }
            Event::Gone(path) if self.store.holds(&path) => {
                self.gone
                    .entry(path)
                    .or_insert_with(|| Instant::now() + GONE_FOR_GOOD);
                false
            }
            Event::Directory(path, rank) if path.is_dir() => {
                let scan = Scan::of_directory(&path, rank);
                self.watch(&scan.directories);
                scan.files
                    .iter()
                    .for_each(|(path, rank)| self.take(path.clone(), *rank));
                self.miss_below(&path, &scan);
                false
            }
            Event::Directory(path, _) => {
                self.miss_below(&path, &Scan::default());
                false
            }
            Event::Written(..) | Event::Gone(_) => false,
            Event::Overflow => true,
        }
    }

    fn take(&mut self, path: PathBuf, rank: Rank) {
        self.gone.remove(&path);
        self.store.look_at(&path, rank, Why::Routine);
        self.ranks.insert(path, rank);
    }

    /// Files below a directory that the scan did not find begin to be gone.
    fn miss_below(&mut self, directory: &Path, scan: &Scan) {
        let found: BTreeSet<&PathBuf> = scan.files.iter().map(|(path, _)| path).collect();
        for path in self.store.paths() {
            if path.starts_with(directory) && !found.contains(path) {
                self.gone
                    .entry(path.clone())
                    .or_insert_with(|| Instant::now() + GONE_FOR_GOOD);
            }
        }
    }

    fn look_at_everything(&mut self) {
        let scan = Scan::of_roots(&self.settings.config, &self.settings.status);
        // Watch before reading: what changes in between is then heard of.
        self.watch(&scan.directories);
        let mut unfinished = false;
        for (path, rank) in &scan.files {
            if self.store.holds(path) && is_fresh(path) {
                unfinished = true;
            } else {
                self.take(path.clone(), *rank);
            }
        }
        for root in self
            .settings
            .config
            .clone()
            .iter()
            .chain(&self.settings.status.clone())
        {
            self.miss_below(root, &scan);
        }
        self.failed = scan
            .failed
            .iter()
            .map(|(path, error)| unreadable(path, error))
            .collect();
        let pause = if self.deaf || unfinished || !self.failed.is_empty() {
            RESCAN_DEAF.min(self.settings.rescan)
        } else {
            self.settings.rescan
        };
        self.rescan_at = Instant::now() + pause;
    }

    fn watch(&mut self, directories: &[(PathBuf, Rank)]) {
        for (directory, rank) in directories {
            if let Err(error) = self.watcher.add(directory, *rank)
                && error.kind() != io::ErrorKind::NotFound
                && !std::mem::replace(&mut self.deaf, true)
            {
                warn!(directory = %directory.display(), %error,
                    "cannot be watched (see fs.inotify.max_user_watches); looking each second");
            }
        }
    }

    /// Files that were gone long enough are gone; those that came back are looked at.
    fn believe_gone(&mut self) {
        let now = Instant::now();
        let due: Vec<PathBuf> = self
            .gone
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(path, _)| path.clone())
            .collect();
        for path in due {
            self.gone.remove(&path);
            let rank = self.ranks.get(&path).copied().unwrap_or(Rank::Config);
            self.store.look_at(&path, rank, Why::Written);
            if !self.store.holds(&path) {
                self.ranks.remove(&path);
            }
        }
    }
}

/// Whether a file was written a moment ago, so that its writer may not be done with it. Those who
/// close it are heard of; the others are looked at the next time.
fn is_fresh(path: &Path) -> bool {
    std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age < FRESH))
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem {
        origin: Some(Origin {
            file: Str::from(path.to_string_lossy().as_ref()),
            line: 0,
        }),
        ..Problem::error(
            Code::Unreadable,
            format!("the directory cannot be read: {error}"),
        )
    }
}
