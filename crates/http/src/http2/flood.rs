//! Floods of frames that cost the sender nothing and carry nothing.
//!
//! [`Census`] counts frames in the bytes that a client sends, before `h2` sees them; [`Watched`]
//! puts it around a socket. Other abuse is bounded by `h2` itself: resets before a stream is
//! accepted, CONTINUATION frames, the decoded size of heads, small DATA frames, and PING or SETTINGS
//! that are not answered because the client does not read (then nothing more is read from it).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http1::HTTP2_PREFACE as PREFACE;

/// Length of a frame's header (RFC 9113 section 4.1).
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;

/// What one client may send on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodLimits {
    /// Frames in a row that could carry something and do not, and do not end a stream.
    pub empty_frames: u32,
    /// PRIORITY frames for each stream that was opened.
    pub priority_per_stream: u32,
    /// WINDOW_UPDATE frames for each DATA frame that was sent to the client.
    pub window_updates_per_data: u32,
}

impl Default for FloodLimits {
    /// Envoy's.
    fn default() -> Self {
        Self {
            empty_frames: 1,
            priority_per_stream: 100,
            window_updates_per_data: 10,
        }
    }
}

/// Counts the frames of a connection.
#[derive(Debug)]
pub(super) struct Census {
    limits: FloodLimits,
    /// Bytes of preface or payload that are still to come before the next frame's header.
    skip: usize,
    header: [u8; HEADER],
    filled: usize,
    streams: u64,
    priorities: u64,
    window_updates: u64,
    empty: u32,
    /// Bytes that were sent to the client: each DATA frame among them has at least a header.
    sent: u64,
}

impl Census {
    pub(super) fn new(limits: FloodLimits) -> Self {
        Self {
            limits,
            skip: PREFACE.len(),
            header: [0; HEADER],
            filled: 0,
            streams: 0,
            priorities: 0,
            window_updates: 0,
            empty: 0,
            sent: 0,
        }
    }

    /// Takes note of what came; true when a limit is exceeded.
    pub(super) fn received(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return false;
            }
            let taken = (HEADER - self.filled).min(bytes.len());
            self.header[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled < HEADER {
                return false;
            }
            self.filled = 0;
            let [high, middle, low, kind, flags, ..] = self.header;
            let length = u32::from_be_bytes([0, high, middle, low]);
            self.skip = length as usize;
            if self.is_too_much(kind, flags, length) {
                return true;
            }
        }
    }

    fn is_too_much(&mut self, kind: u8, flags: u8, length: u32) -> bool {
        let limits = self.limits;
        match kind {
            DATA | HEADERS | CONTINUATION => {
                self.streams += u64::from(kind == HEADERS);
                // Bit 0 of a CONTINUATION has no meaning, so an empty one never counts as an end.
                let ends = kind != CONTINUATION && flags & END_STREAM != 0;
                self.empty = if length == 0 && !ends {
                    self.empty + 1
                } else {
                    0
                };
                self.empty > limits.empty_frames
            }
            PRIORITY => {
                self.priorities += 1;
                let per_stream = u64::from(limits.priority_per_stream);
                self.priorities > per_stream * (1 + self.streams)
            }
            WINDOW_UPDATE => {
                self.window_updates += 1;
                let per_data = u64::from(limits.window_updates_per_data);
                let most_data = self.sent / HEADER as u64;
                // Five more, for the windows that a client widens when it begins.
                self.window_updates > 5 + 2 * (self.streams + per_data * most_data)
            }
            _ => false,
        }
    }
}

/// Set when a client floods its connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarm(Arc<AtomicBool>);

impl Alarm {
    pub(super) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A socket whose frames are counted. After a flood nothing more is read from it.
#[derive(Debug)]
pub(super) struct Watched<IO> {
    io: IO,
    census: Census,
    alarm: Alarm,
}

impl<IO> Watched<IO> {
    pub(super) fn new(io: IO, limits: FloodLimits) -> (Self, Alarm) {
        let alarm = Alarm::default();
        let watched = Self {
            io,
            census: Census::new(limits),
            alarm: alarm.clone(),
        };
        (watched, alarm)
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.alarm.is_raised() {
            return Poll::Pending;
        }
        let before = out.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, out);
        if this.census.received(&out.filled()[before..]) {
            out.set_filled(before);
            this.alarm.0.store(true, Ordering::Relaxed);
            // Who polls the connection sees the alarm.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        read
    }
}

impl<IO: AsyncWrite + Unpin> Watched<IO> {
    fn count(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &written {
            self.census.sent += *count as u64;
        }
        written
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.count(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
        bytes.extend_from_slice(payload);
        bytes
    }

    /// How many of the frames are taken before it is too much, in one piece and byte by byte.
    fn taken(frame: &[u8], most: usize) -> Option<usize> {
        let mut census = Census::new(FloodLimits::default());
        let mut slow = Census::new(FloodLimits::default());
        census.received(PREFACE);
        slow.received(PREFACE);
        let found = (0..most).find(|_| census.received(frame));
        let byte_by_byte = (0..most).find(|_| frame.iter().any(|byte| slow.received(&[*byte])));
        assert_eq!(found, byte_by_byte);
        found
    }

    #[test]
    fn frames_that_carry_nothing_are_counted() {
        assert_eq!(taken(&frame(DATA, 0, b""), 10), Some(1));
        assert_eq!(taken(&frame(CONTINUATION, 1, b""), 10), Some(1));
        assert_eq!(taken(&frame(PRIORITY, 0, &[0; 5]), 1000), Some(100));
        assert_eq!(
            taken(&frame(WINDOW_UPDATE, 0, &[0, 0, 0, 1]), 1000),
            Some(5)
        );
    }

    #[test]
    fn frames_that_carry_something_are_not() {
        assert_eq!(taken(&frame(DATA, 0, b"x"), 1000), None);
        assert_eq!(taken(&frame(DATA, END_STREAM, b""), 1000), None);
        assert_eq!(taken(&frame(HEADERS, 5, b"\x82"), 1000), None);
    }

    #[test]
    fn window_updates_are_earned_by_what_was_sent() {
        let update = frame(WINDOW_UPDATE, 0, &[0, 0, 0, 1]);
        let mut census = Census::new(FloodLimits::default());
        census.received(PREFACE);
        for _ in 0..1000 {
            // One DATA frame of one byte, and the windows of stream and connection for it.
            census.sent += 10;
            assert!(!census.received(&update));
            assert!(!census.received(&update));
        }
    }
}
