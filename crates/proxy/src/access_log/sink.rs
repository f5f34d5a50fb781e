//! Where log lines go: a buffer per worker, emptied by one thread per file.
//!
//! A worker appends under a lock that only it and, for an instant, the writer take. The writer wakes
//! when a buffer stops being empty, waits a moment for more and writes everything at once. When the
//! file is slower than the traffic, lines beyond the bound are dropped and counted.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::warn;

/// How long the writer waits for more lines, so that one write takes many.
const GATHER: Duration = Duration::from_millis(20);

/// Bytes that one buffer may hold: some 20,000 lines, seconds of traffic.
const BOUND: usize = 4 << 20;

/// Buffers; a worker uses the one of its thread.
const BUFFERS: usize = 8;

/// One file or stream that lines are written to.
#[derive(Debug)]
pub struct LogSink {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    buffers: [Mutex<String>; BUFFERS],
    /// Whether there is something to write.
    dirty: Mutex<bool>,
    wake: Condvar,
    /// How often all buffers were written out.
    rounds: Mutex<u64>,
    written: Condvar,
    closed: AtomicBool,
    dropped: AtomicU64,
}

impl LogSink {
    /// Starts a writer for `target`.
    pub fn new(target: Box<dyn Write + Send>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let for_writer = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || for_writer.write_all(target))?;
        Ok(Self {
            shared,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Lets `line` append one line.
    pub fn append(&self, line: impl FnOnce(&mut String)) {
        let buffer = &self.shared.buffers[buffer_index()];
        let mut buffer = buffer.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.len() >= BOUND {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = buffer.is_empty();
        line(&mut buffer);
        drop(buffer);
        if was_empty {
            *self.shared.lock_dirty() = true;
            self.shared.wake.notify_one();
        }
    }

    /// Waits until everything appended before is written, at most for `limit`.
    pub fn flush(&self, limit: Duration) {
        let rounds = self
            .shared
            .rounds
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A round that runs now may have passed our buffer; the one after it has not.
        let wanted = *rounds + 2;
        let waiting = |rounds: &mut u64| {
            *self.shared.lock_dirty() = true;
            self.shared.wake.notify_one();
            *rounds < wanted
        };
        // Whether it was in time makes no difference to whoever leaves.
        let _ = self
            .shared
            .written
            .wait_timeout_while(rounds, limit, waiting);
    }

    /// How many lines were dropped because the target was too slow.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for LogSink {
    /// Writes what is left.
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        *self.shared.lock_dirty() = true;
        self.shared.wake.notify_one();
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            // A writer that panicked has nothing more to write.
            let _ = writer.join();
        }
    }
}

/// A buffer for this thread, the same each time.
fn buffer_index() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    thread_local! {
        static INDEX: usize = NEXT.fetch_add(1, Ordering::Relaxed) % BUFFERS;
    }
    INDEX.with(|index| *index)
}

impl Shared {
    fn lock_dirty(&self) -> std::sync::MutexGuard<'_, bool> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut target: Box<dyn Write + Send>) {
        let mut spare = String::new();
        loop {
            let closed = self.wait();
            for buffer in &self.buffers {
                let mut buffer = buffer.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::swap(&mut *buffer, &mut spare);
                drop(buffer);
                if let Err(error) = target.write_all(spare.as_bytes()) {
                    warn!(%error, "access log: lines could not be written");
                }
                spare.clear();
            }
            if let Err(error) = target.flush() {
                warn!(%error, "access log: could not be flushed");
            }
            *self.rounds.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            self.written.notify_all();
            if closed {
                return;
            }
        }
    }

    /// Waits for lines, then a moment for more. True when this is the last time.
    fn wait(&self) -> bool {
        let mut dirty = self.lock_dirty();
        while !*dirty {
            dirty = self
                .wake
                .wait(dirty)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *dirty = false;
        if self.closed.load(Ordering::Acquire) {
            return true;
        }
        let (mut dirty, _) = self
            .wake
            .wait_timeout(dirty, GATHER)
            .unwrap_or_else(PoisonError::into_inner);
        *dirty = false;
        self.closed.load(Ordering::Acquire)
    }
}

/// All sinks in use, by path, so that two logs of one file share a writer.
#[derive(Debug, Default)]
pub struct LogSinks {
    by_path: Mutex<HashMap<PathBuf, Weak<LogSink>>>,
    /// Stands in for every path, when config is only looked at.
    instead: Option<Arc<LogSink>>,
}

impl LogSinks {
    /// Takes lines for any path and writes none of them: for config that is checked and not used,
    /// so that no file is made.
    pub fn nowhere() -> io::Result<Self> {
        Ok(Self {
            instead: Some(Arc::new(LogSink::new(Box::new(io::sink()))?)),
            ..Self::default()
        })
    }

    /// Waits until everything appended to any sink is written, at most for `limit` each.
    pub fn flush(&self, limit: Duration) {
        let by_path = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        let open: Vec<_> = by_path.values().filter_map(Weak::upgrade).collect();
        drop(by_path);
        for sink in open {
            sink.flush(limit);
        }
    }

    /// The sink for `path`; `/dev/stdout`, `/dev/stderr` and `/dev/null` are known by name.
    pub fn open(&self, path: &Path) -> io::Result<Arc<LogSink>> {
        if let Some(instead) = &self.instead {
            return Ok(Arc::clone(instead));
        }
        let mut by_path = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(present) = by_path.get(path).and_then(Weak::upgrade) {
            return Ok(present);
        }
        let target: Box<dyn Write + Send> = match path.to_str() {
            Some("/dev/stdout") => Box::new(io::stdout()),
            Some("/dev/stderr") => Box::new(io::stderr()),
            Some("/dev/null") => Box::new(io::sink()),
            _ => Box::new(File::options().create(true).append(true).open(path)?),
        };
        let sink = Arc::new(LogSink::new(target)?);
        by_path.retain(|_, sink| sink.strong_count() > 0);
        by_path.insert(path.to_owned(), Arc::downgrade(&sink));
        Ok(sink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_waits_for_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        let sinks = LogSinks::default();
        let sink = sinks.open(&path).expect("opened");
        sink.append(|line| line.push_str("line\n"));
        sinks.flush(Duration::from_secs(10));
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "line\n");
    }

    #[test]
    fn config_that_is_only_checked_makes_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        let sinks = LogSinks::nowhere().expect("a thread");
        let sink = sinks.open(&path).expect("opened");
        sink.append(|line| line.push_str("line\n"));
        drop((sink, sinks));
        assert!(!path.exists());
    }

    #[test]
    fn every_line_is_in_the_file_when_the_sink_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        let sinks = LogSinks::default();
        let sink = sinks.open(&path).expect("opened");
        let again = sinks.open(&path).expect("opened");
        assert!(Arc::ptr_eq(&sink, &again));
        for number in 0..100 {
            sink.append(|line| line.push_str(&format!("line {number}\n")));
        }
        drop((sink, again));
        let text = std::fs::read_to_string(&path).expect("written");
        assert_eq!(text.lines().count(), 100);
    }
}
