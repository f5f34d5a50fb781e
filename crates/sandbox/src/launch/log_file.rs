//! A container's output on disk: `TIME STREAM FLAG text` per line, the layout that Kubernetes'
//! nodes use (`F` a full line, `P` a part of one that was too long).

use std::fs::{File, OpenOptions, rename};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// When the file is moved aside; the one before it is dropped.
const ROTATE_AT: u64 = 10 << 20;

/// Writes one container's output.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
}

impl LogFile {
    /// Appends to the file at `path`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self {
            path: path.to_owned(),
            size: file.metadata()?.len(),
            file,
        })
    }

    /// Writes one line of `stream`; `text` may end in a line feed.
    pub(super) fn write(&mut self, stream: &str, text: &[u8]) -> io::Result<()> {
        if self.size >= ROTATE_AT {
            rename(&self.path, self.path.with_extension("log.1"))?;
            *self = Self::open(&self.path)?;
        }
        let (text, flag) = match text.strip_suffix(b"\n") {
            Some(text) => (text, "F"),
            None => (text, "P"),
        };
        let now = OffsetDateTime::now_utc()
            .format(&Rfc3339)
            .map_err(io::Error::other)?;
        let mut line = format!("{now} {stream} {flag} ").into_bytes();
        line.extend_from_slice(text);
        line.push(b'\n');
        self.size += line.len() as u64;
        // One write, so that a reader never sees half a line.
        self.file.write_all(&line)
    }
}

/// One line as read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// When it was written, RFC 3339.
    pub time: &'a str,
    /// `stdout` or `stderr`.
    pub stream: &'a str,
    /// Whether the line goes on in the next one.
    pub partial: bool,
    /// The text.
    pub text: &'a str,
}

/// Reads a line back; `None` when it is no such line.
pub fn parse_log_line(line: &str) -> Option<LogLine<'_>> {
    let mut parts = line.splitn(4, ' ');
    Some(LogLine {
        time: parts.next()?,
        stream: parts.next()?,
        partial: parts.next()? == "P",
        text: parts.next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_it_was_written() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("c.log");
        let mut log = LogFile::open(&path).expect("a new file");
        log.write("stdout", b"hello  world\n").expect("written");
        log.write("stderr", b"part").expect("written");
        let text = std::fs::read_to_string(&path).expect("readable");
        let lines: Vec<_> = text.lines().filter_map(parse_log_line).collect();
        assert_eq!((lines[0].stream, lines[0].text), ("stdout", "hello  world"));
        assert!(!lines[0].partial && lines[1].partial);
    }
}
