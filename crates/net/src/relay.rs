//! Copying between two streams in both directions until both have ended.
//!
//! One future, no task: each wake moves what can be moved in either direction. An end of stream on
//! one side shuts the other side's writing down and leaves the way back open (half-close). A slow
//! writer holds its reader back, because a direction owns one bounded buffer.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes held per direction. 16 KiB is one TLS record, and about what loopback delivers per read
/// under load; memory per connection grows with it.
const BUFFER: usize = 16 * 1024;

/// Which of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first stream.
    Left,
    /// The second stream.
    Right,
}

/// How a relay ended.
#[derive(Debug)]
pub enum RelayEnd {
    /// Both directions came to their end.
    Closed {
        /// Which side ended its sending first.
        first: Side,
    },
    /// Nothing moved for the idle time.
    Idle,
    /// A side failed.
    Failed {
        /// The side whose socket reported the failure.
        side: Side,
        /// The failure.
        error: io::Error,
    },
}

/// Bytes moved so far; may be read while the relay runs on the same thread.
#[derive(Debug, Default)]
pub struct RelayCounters {
    /// From the first stream to the second.
    pub left_to_right: Cell<u64>,
    /// From the second stream to the first.
    pub right_to_left: Cell<u64>,
}

/// Relays between `left` and `right`; `early` are bytes of the left that were already read.
pub async fn relay<L, R>(
    left: &mut L,
    right: &mut R,
    early: Bytes,
    idle: Option<Duration>,
    counters: &RelayCounters,
) -> RelayEnd
where
    L: AsyncRead + AsyncWrite + Unpin,
    R: AsyncRead + AsyncWrite + Unpin,
{
    let mut forward = Direction::new(early, &counters.left_to_right);
    let mut backward = Direction::new(Bytes::new(), &counters.right_to_left);
    let mut first = None;
    let mut timer = idle.map(IdleTimer::new);
    poll_fn(|cx| {
        let before = forward.counter.get() + backward.counter.get();
        let sent = match forward.poll(cx, left, right) {
            Poll::Ready(Err(fault)) => return Poll::Ready(fault.end(Side::Left, Side::Right)),
            flow => flow.is_ready(),
        };
        if sent {
            first.get_or_insert(Side::Left);
        }
        let answered = match backward.poll(cx, right, left) {
            Poll::Ready(Err(fault)) => return Poll::Ready(fault.end(Side::Right, Side::Left)),
            flow => flow.is_ready(),
        };
        if answered {
            first.get_or_insert(Side::Right);
        }
        if sent && answered {
            let first = first.unwrap_or(Side::Left);
            return Poll::Ready(RelayEnd::Closed { first });
        }
        let moved = forward.counter.get() + backward.counter.get() > before;
        match &mut timer {
            Some(timer) => timer.poll_idle(cx, moved).map(|()| RelayEnd::Idle),
            None => Poll::Pending,
        }
    })
    .await
}

/// One direction: read into the buffer, write out of it, then shut the writer down.
struct Direction<'a> {
    early: Bytes,
    buffer: Box<[u8]>,
    held: Range<usize>,
    flow: Flow,
    counter: &'a Cell<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Copying,
    ShuttingDown,
    Done,
}

/// Which half of a direction failed.
enum Fault {
    Read(io::Error),
    Write(io::Error),
}

impl Fault {
    fn end(self, reader: Side, writer: Side) -> RelayEnd {
        let (side, error) = match self {
            Self::Read(error) => (reader, error),
            Self::Write(error) => (writer, error),
        };
        RelayEnd::Failed { side, error }
    }
}

impl<'a> Direction<'a> {
    fn new(early: Bytes, counter: &'a Cell<u64>) -> Self {
        Self {
            early,
            buffer: Box::default(),
            held: 0..0,
            flow: Flow::Copying,
            counter,
        }
    }

    /// Ready when this direction has ended and the writer was shut down.
    fn poll<A, B>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut A,
        writer: &mut B,
    ) -> Poll<Result<(), Fault>>
    where
        A: AsyncRead + Unpin,
        B: AsyncWrite + Unpin,
    {
        loop {
            match self.flow {
                Flow::Done => return Poll::Ready(Ok(())),
                Flow::ShuttingDown => {
                    // The peer may be gone already, which ends this direction just as well.
                    let _ = ready!(Pin::new(&mut *writer).poll_shutdown(cx));
                    self.flow = Flow::Done;
                }
                Flow::Copying => {
                    ready!(self.poll_drain(cx, writer)).map_err(Fault::Write)?;
                    match self.poll_fill(cx, reader) {
                        Poll::Ready(Ok(())) if self.held.is_empty() => {
                            self.flow = Flow::ShuttingDown;
                        }
                        Poll::Ready(result) => result.map_err(Fault::Read)?,
                        Poll::Pending => {
                            // A TLS writer may still hold records that fitted nowhere.
                            let _ = Pin::new(writer).poll_flush(cx).map_err(Fault::Write)?;
                            return Poll::Pending;
                        }
                    }
                }
            }
        }
    }

    /// Writes everything that is held.
    fn poll_drain<B: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut B,
    ) -> Poll<io::Result<()>> {
        while !self.early.is_empty() {
            let count = ready!(Pin::new(&mut *writer).poll_write(cx, &self.early))?;
            self.count(count)?;
            self.early.advance(count);
        }
        while !self.held.is_empty() {
            let held = &self.buffer[self.held.clone()];
            let count = ready!(Pin::new(&mut *writer).poll_write(cx, held))?;
            self.count(count)?;
            self.held.start += count;
        }
        Poll::Ready(Ok(()))
    }

    fn count(&self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.counter.set(self.counter.get() + count as u64);
        Ok(())
    }

    /// Reads once; holds nothing afterwards at the end of the stream.
    fn poll_fill<A: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut A,
    ) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER].into_boxed_slice();
        }
        let mut out = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(reader).poll_read(cx, &mut out))?;
        self.held = 0..out.filled().len();
        Poll::Ready(Ok(()))
    }
}

/// Fires when nothing moved for a while. The clock is read only when something moved.
struct IdleTimer {
    idle: Duration,
    last: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl IdleTimer {
    fn new(idle: Duration) -> Self {
        let last = Instant::now();
        Self {
            idle,
            last,
            sleep: Box::pin(sleep_until(last + idle)),
        }
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>, moved: bool) -> Poll<()> {
        if moved {
            self.last = Instant::now();
        }
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let due = self.last + self.idle;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn a_half_close_leaves_the_way_back_open() {
        let (mut client, mut left) = duplex(64);
        let (mut right, mut server) = duplex(64);
        let counters = RelayCounters::default();
        let early = Bytes::from_static(b"early ");
        let copy = relay(&mut left, &mut right, early, None, &counters);
        let talk = async {
            client.write_all(b"question").await.expect("room");
            client.shutdown().await.expect("half-close");
            let mut question = String::new();
            server.read_to_string(&mut question).await.expect("text");
            server.write_all(b"answer").await.expect("room");
            drop(server);
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.expect("text");
            (question, answer)
        };
        let (end, (question, answer)) = tokio::join!(copy, talk);
        assert_eq!(
            (question.as_str(), answer.as_str()),
            ("early question", "answer")
        );
        assert!(matches!(end, RelayEnd::Closed { first: Side::Left }));
        assert_eq!(counters.left_to_right.get(), 14);
        assert_eq!(counters.right_to_left.get(), 6);
    }

    #[tokio::test]
    async fn silence_for_the_idle_time_ends_the_relay() {
        let (_client, mut left) = duplex(64);
        let (mut right, _server) = duplex(64);
        let counters = RelayCounters::default();
        let idle = Some(Duration::from_millis(1));
        let end = relay(&mut left, &mut right, Bytes::new(), idle, &counters).await;
        assert!(matches!(end, RelayEnd::Idle));
    }
}
