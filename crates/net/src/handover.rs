//! Handing listening sockets from a running process to the one that takes its place.
//!
//! The running process listens on a Unix socket. Its successor connects, is told apart from
//! strangers by the kernel's credentials, and receives descriptors (`SCM_RIGHTS`): the very sockets,
//! with the connections that wait in their queues. Both accept from then on. When the successor says
//! that it serves, the predecessor stops accepting; when the successor goes away before that, the
//! predecessor goes on as if nothing had happened.
//!
//! ```text
//! predecessor                               successor
//!      ◀──────────────── connect ───────────────
//!      ── count (u32), generation (u32) ───────▶
//!      ── sockets, in batches ─────────────────▶   opens, warms, accepts
//!      ◀──────────────── limit in s (u32) ──────   serves
//!      ── one byte ────────────────────────────▶   takes the Unix socket's place
//! ```

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};

/// Descriptors per message; the kernel's own bound is 253 (`SCM_MAX_FD`).
const BATCH: usize = 250;
/// More sockets than any configuration has; a count beyond it is not ours.
const MOST_SOCKETS: u32 = 1 << 16;

/// A handover failed; the predecessor goes on.
#[derive(Debug, Error)]
#[error("hot upgrade over {path}: {step}: {source}")]
pub struct HandoverError {
    path: PathBuf,
    step: &'static str,
    #[source]
    source: io::Error,
}

fn failing<'p>(path: &'p Path, step: &'static str) -> impl Fn(io::Error) -> HandoverError + 'p {
    move |source| HandoverError {
        path: path.to_owned(),
        step,
        source,
    }
}

/// What a successor received.
#[derive(Debug)]
pub struct Inheritance {
    /// The predecessor's sockets.
    pub sockets: Vec<OwnedFd>,
    /// How many processes came before in this line.
    pub generation: u32,
    path: PathBuf,
    stream: UnixStream,
}

impl Inheritance {
    /// Asks the process that listens at `path` for its sockets; `None` when there is none.
    ///
    /// # Errors
    /// Somebody listens there who runs as another user, or who does not speak this protocol.
    pub async fn ask(path: &Path) -> Result<Option<Self>, HandoverError> {
        let stream = match UnixStream::connect(path).await {
            Ok(stream) => stream,
            // No file, or the file of a process that is gone.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(failing(path, "connect")(error)),
        };
        check_peer(&stream).map_err(failing(path, "check who listens there"))?;
        let mut stream = stream;
        let receive = failing(path, "receive the sockets");
        let count = stream.read_u32().await.map_err(&receive)?;
        let generation = stream.read_u32().await.map_err(&receive)?;
        if count > MOST_SOCKETS {
            return Err(receive(io::ErrorKind::InvalidData.into()));
        }
        let mut sockets = Vec::new();
        while sockets.len() < count as usize {
            let more = stream.async_io(Interest::READABLE, || receive_batch(stream.as_fd()));
            let more = more.await.map_err(&receive)?;
            if more.is_empty() {
                return Err(receive(io::ErrorKind::UnexpectedEof.into()));
            }
            sockets.extend(more);
        }
        Ok(Some(Self {
            sockets,
            generation,
            path: path.to_owned(),
            stream,
        }))
    }

    /// Says that the successor serves. The predecessor has stopped accepting when this resolves,
    /// and ends what is still open after `limit` at the latest.
    ///
    /// # Errors
    /// The predecessor is gone, which leaves the successor alone with the sockets.
    pub async fn confirm(mut self, limit: Duration) -> Result<(), HandoverError> {
        let fail = failing(&self.path, "tell the predecessor to leave");
        let seconds = u32::try_from(limit.as_secs()).unwrap_or(u32::MAX);
        self.stream.write_u32(seconds).await.map_err(&fail)?;
        self.stream.read_u8().await.map_err(&fail)?;
        Ok(())
    }
}

/// Where a running process can be asked for its sockets.
#[derive(Debug)]
pub struct HandoverPoint {
    listener: UnixListener,
    path: PathBuf,
}

impl HandoverPoint {
    /// Listens at `path`, in the place of whatever was there. Only the own user can connect.
    pub fn bind(path: &Path) -> Result<Self, HandoverError> {
        let fail = failing(path, "listen");
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(&fail)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(path, mode).map_err(&fail)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Waits for the next process that asks.
    pub async fn asked(&self) -> Result<Successor, HandoverError> {
        let (stream, _) = self
            .listener
            .accept()
            .await
            .map_err(failing(&self.path, "accept"))?;
        check_peer(&stream).map_err(failing(&self.path, "check who asks"))?;
        Ok(Successor {
            stream,
            path: self.path.clone(),
        })
    }
}

/// A process that wants to take our place.
#[derive(Debug)]
pub struct Successor {
    stream: UnixStream,
    path: PathBuf,
}

impl Successor {
    /// Gives it the sockets and waits until it serves; resolves with the time that it leaves us.
    ///
    /// # Errors
    /// It went away before: we go on.
    pub async fn hand_over(
        &mut self,
        sockets: &[OwnedFd],
        generation: u32,
    ) -> Result<Duration, HandoverError> {
        let send = failing(&self.path, "send the sockets");
        let count = u32::try_from(sockets.len()).unwrap_or(u32::MAX);
        self.stream.write_u32(count).await.map_err(&send)?;
        self.stream.write_u32(generation).await.map_err(&send)?;
        for batch in sockets.chunks(BATCH) {
            let batch: Vec<BorrowedFd<'_>> = batch.iter().map(AsFd::as_fd).collect();
            let stream = &self.stream;
            stream
                .async_io(Interest::WRITABLE, || send_batch(stream.as_fd(), &batch))
                .await
                .map_err(&send)?;
        }
        let seconds = self.stream.read_u32().await;
        let seconds = seconds.map_err(failing(&self.path, "wait for the successor to serve"))?;
        Ok(Duration::from_secs(u64::from(seconds)))
    }

    /// Says that we have stopped accepting.
    pub async fn released(mut self) {
        // The successor serves already; nothing depends on its hearing this.
        let _ = self.stream.write_u8(1).await;
    }
}

/// Only processes of the same user, or root, may give or take sockets.
fn check_peer(stream: &UnixStream) -> io::Result<()> {
    let peer = socket_peercred(stream)?;
    if peer.uid == rustix::process::geteuid() || peer.uid.is_root() {
        return Ok(());
    }
    let reason = format!("it runs as another user ({})", peer.uid.as_raw());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
}

fn send_batch(stream: BorrowedFd<'_>, batch: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    // The space is that of the largest batch.
    control.push(SendAncillaryMessage::ScmRights(batch));
    // Descriptors travel with at least one byte.
    sendmsg(
        stream,
        &[IoSlice::new(b"s")],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

fn receive_batch(stream: BorrowedFd<'_>) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0; 1];
    recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            sockets.extend(received);
        }
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(count: usize) -> Vec<OwnedFd> {
        let one = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let copy = |_| one.try_clone().expect("a descriptor").into();
        (0..count).map(copy).collect()
    }

    #[tokio::test]
    async fn a_successor_receives_the_sockets_and_releases_the_predecessor() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("upgrade");
        assert!(Inheritance::ask(&path).await.expect("nobody").is_none());
        let point = HandoverPoint::bind(&path).expect("bound");
        let count = 2 * BATCH + 1;
        let giving = async {
            let mut successor = point.asked().await.expect("our own user");
            let given = successor.hand_over(&sockets(count), 3).await;
            successor.released().await;
            given.expect("it serves")
        };
        let taking = async {
            let taken = Inheritance::ask(&path).await.expect("a predecessor");
            let mut taken = taken.expect("it listens");
            let sockets = std::mem::take(&mut taken.sockets);
            let generation = taken.generation;
            let limit = Duration::from_secs(7);
            taken.confirm(limit).await.expect("it is there");
            (sockets.len(), generation)
        };
        let (limit, taken) = tokio::join!(giving, taking);
        assert_eq!(limit, Duration::from_secs(7));
        assert_eq!(taken, (count, 3));
    }

    #[tokio::test]
    async fn a_successor_that_fails_to_start_leaves_the_predecessor_in_charge() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("upgrade");
        let point = HandoverPoint::bind(&path).expect("bound");
        let giving = async {
            let mut successor = point.asked().await.expect("our own user");
            successor.hand_over(&sockets(1), 0).await
        };
        let taking = async { drop(Inheritance::ask(&path).await.expect("a predecessor")) };
        let (given, ()) = tokio::join!(giving, taking);
        let error = given.expect_err("it went away");
        assert!(error.to_string().contains("successor to serve"), "{error}");
    }
}
