//! Starting pod init from the sandbox, and talking to it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::thread::UnshareFlags;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::sync::mpsc;

use super::POD_COMMAND;
use super::namespaces::{enter_network, unshare};
use super::protocol::{Event, Request};

/// What pod init needs to start.
#[derive(Clone, Debug)]
pub struct InitSettings {
    /// Our own executable.
    pub program: PathBuf,
    /// The pod's network namespace, as a file.
    pub netns: PathBuf,
    /// The pod's host name.
    pub host_name: String,
    /// Where pod init's own messages go.
    pub log_file: PathBuf,
}

/// A running pod init. Dropping it ends the pod.
#[derive(Debug)]
pub struct InitHandle {
    child: Child,
    requests: mpsc::UnboundedSender<Request>,
}

impl InitHandle {
    /// Sends a request. What cannot be delivered shows as the end of the events.
    pub fn send(&self, request: Request) {
        let _ = self.requests.send(request);
    }

    /// Ends every process of the pod and waits until pod init is gone.
    pub async fn end(mut self) {
        // SIGKILL to process 1 ends the whole process-id namespace.
        let _ = self.child.kill().await;
    }
}

/// Starts pod init; the receiver ends when pod init does.
///
/// # Errors
/// When a namespace cannot be made or entered, or the program not started.
pub async fn start_init(
    settings: InitSettings,
) -> io::Result<(InitHandle, mpsc::UnboundedReceiver<Event>)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let runtime = tokio::runtime::Handle::current();
    // Namespaces belong to a thread; this one is given up afterwards.
    let (done, spawned) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("pod-start".to_owned())
        .spawn(move || {
            let _entered = runtime.enter();
            let _ = done.send(spawn_inside(&settings, theirs));
        })?;
    let child = spawned.await.map_err(io::Error::other)??;
    let (requests, outgoing) = mpsc::unbounded_channel();
    let (incoming, events) = mpsc::unbounded_channel();
    tokio::spawn(relay(UnixStream::from_std(ours)?, outgoing, incoming));
    Ok((InitHandle { child, requests }, events))
}

fn spawn_inside(settings: &InitSettings, socket: StdUnixStream) -> io::Result<Child> {
    let log = open_log(&settings.log_file)?;
    enter_network(&settings.netns)?;
    unshare(UnshareFlags::NEWPID | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC)?;
    tokio::process::Command::new(&settings.program)
        .args([POD_COMMAND, "init", &settings.host_name])
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

fn open_log(path: &Path) -> io::Result<std::fs::File> {
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
}

async fn relay(
    socket: UnixStream,
    mut requests: mpsc::UnboundedReceiver<Request>,
    events: mpsc::UnboundedSender<Event>,
) {
    let (incoming, mut outgoing) = socket.into_split();
    let mut lines = BufReader::new(incoming).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { return };
                let Ok(event) = serde_json::from_str(&line) else { continue };
                if events.send(event).is_err() {
                    return;
                }
            }
            request = requests.recv() => {
                let Some(request) = request else { return };
                let Ok(mut line) = serde_json::to_vec(&request) else { continue };
                line.push(b'\n');
                if outgoing.write_all(&line).await.is_err() {
                    return;
                }
            }
        }
    }
}
