//! What comes out of a pod's processes, read by pod init: a container's output into its log, a
//! command's output for whoever asked, the notes of a container that starts.

use std::io;
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;
use tracing::warn;

use super::log_file::LogFile;
use super::protocol::StartNote;

/// The longest line that is kept in one piece.
const LINE_MAX: u64 = 16 << 10;
/// How much of a command's output is told.
const OUTPUT_MAX: u64 = 4 << 10;

/// What the reader of a command's output found.
pub(super) enum ExecOutcome {
    Output(String),
    TimedOut,
}

/// Reads what a starting container tells: the last word before the pipe ends counts.
pub(super) async fn read_notes(
    pid: Pid,
    notes: Receiver,
    told: mpsc::UnboundedSender<(Pid, StartNote)>,
) {
    let mut lines = BufReader::new(notes).lines();
    let mut last = StartNote::Failed("it ended before its command ran".to_owned());
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(note) = serde_json::from_str(&line) {
            last = note;
        }
    }
    // Nobody listens any more when pod init is leaving.
    let _ = told.send((pid, last));
}

/// Writes what a container prints until both of its streams have ended.
pub(super) async fn write_log(mut log: LogFile, stdout: Receiver, stderr: Receiver) {
    let (mut stdout, mut stderr) = (BufReader::new(stdout), BufReader::new(stderr));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (mut out_open, mut err_open) = (true, true);
    while out_open || err_open {
        let written = tokio::select! {
            read = next_line(&mut stdout, &mut out), if out_open => {
                out_open = read;
                flush(&mut log, "stdout", &mut out)
            }
            read = next_line(&mut stderr, &mut err), if err_open => {
                err_open = read;
                flush(&mut log, "stderr", &mut err)
            }
        };
        if let Err(error) = written {
            warn!(%error, "cannot write a container's log");
        }
    }
}

/// Reads up to the end of a line into `line`, which keeps what it has when the read is abandoned.
/// False at the end of the stream.
async fn next_line(reader: &mut BufReader<Receiver>, line: &mut Vec<u8>) -> bool {
    let room = LINE_MAX.saturating_sub(line.len() as u64).max(1);
    matches!(reader.take(room).read_until(b'\n', line).await, Ok(read) if read > 0)
}

fn flush(log: &mut LogFile, stream: &str, line: &mut Vec<u8>) -> io::Result<()> {
    if line.is_empty() {
        return Ok(());
    }
    let written = log.write(stream, line);
    line.clear();
    written
}

/// Reads the output of a command until it ends or takes too long.
pub(super) async fn collect(
    pid: Pid,
    output: Receiver,
    timeout: Duration,
    outcomes: mpsc::UnboundedSender<(Pid, ExecOutcome)>,
) {
    let mut bytes = Vec::new();
    let mut output = output.take(OUTPUT_MAX);
    let read = output.read_to_end(&mut bytes);
    let outcome = match tokio::time::timeout(timeout, read).await {
        Ok(_) => ExecOutcome::Output(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
        Err(_) => ExecOutcome::TimedOut,
    };
    // Nobody listens any more when pod init is leaving.
    let _ = outcomes.send((pid, outcome));
}
