//! Bytes on their way out. Small pieces are copied together so that a head and the first part of
//! its body leave in one write; large pieces are kept as they are.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use super::spare::{self, FIRST_READ};

/// Copying less than this is cheaper than another element of a vectored write.
const COPY_BELOW: usize = 8 * 1024;
/// Elements of one vectored write.
const SLICES: usize = 16;

/// What waits to be written.
#[derive(Debug, Default)]
pub struct WriteBuffer {
    /// Finished pieces, before the tail.
    pieces: VecDeque<Bytes>,
    tail: BytesMut,
    pieces_len: usize,
    /// Bytes that left since the count began.
    gone: u64,
}

impl WriteBuffer {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.pieces_len + self.tail.len()
    }

    /// Begins to count with what is put in from now on. Call it when nothing waits.
    pub fn begin_count(&mut self) {
        self.gone = 0;
    }

    /// How many bytes were put in since [`Self::begin_count`].
    pub fn count(&self) -> u64 {
        self.gone + self.len() as u64
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where small pieces are written.
    pub fn tail(&mut self) -> &mut BytesMut {
        if self.tail.capacity() == 0 {
            self.tail = spare::take();
        }
        &mut self.tail
    }

    /// Adds a piece.
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.len() < COPY_BELOW {
            self.tail().extend_from_slice(&bytes);
            return;
        }
        if !self.tail.is_empty() {
            let tail = self.tail.split().freeze();
            self.pieces_len += tail.len();
            self.pieces.push_back(tail);
        }
        self.pieces_len += bytes.len();
        self.pieces.push_back(bytes);
    }

    /// Writes until nothing waits, then flushes.
    pub fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let count = ready!(self.poll_write(cx, writer))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(count);
        }
        Pin::new(writer).poll_flush(cx)
    }

    /// Gives the memory of an idle connection back.
    pub fn release(&mut self) {
        if !self.is_empty() {
            return;
        }
        let mut tail = std::mem::take(&mut self.tail);
        // One that has grown is not kept; try_reclaim fails for one that others still read from.
        if tail.capacity() <= FIRST_READ && tail.try_reclaim(FIRST_READ) {
            spare::give(tail);
        }
        self.pieces = VecDeque::new();
    }

    fn poll_write<W: AsyncWrite + Unpin>(
        &self,
        cx: &mut Context<'_>,
        writer: &mut W,
    ) -> Poll<io::Result<usize>> {
        if self.pieces.is_empty() {
            return Pin::new(writer).poll_write(cx, &self.tail);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for piece in self.pieces.iter().take(SLICES - 1) {
            slices[count] = IoSlice::new(piece);
            count += 1;
        }
        if self.pieces.len() < SLICES && !self.tail.is_empty() {
            slices[count] = IoSlice::new(&self.tail);
            count += 1;
        }
        Pin::new(writer).poll_write_vectored(cx, &slices[..count])
    }

    fn advance(&mut self, mut count: usize) {
        self.gone += count as u64;
        while count > 0 {
            let Some(first) = self.pieces.front_mut() else {
                self.tail.advance(count);
                return;
            };
            let step = first.len().min(count);
            first.advance(step);
            self.pieces_len -= step;
            count -= step;
            if first.is_empty() {
                self.pieces.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, duplex};

    #[tokio::test]
    async fn small_and_large_pieces_leave_in_order() {
        let (mut near, mut far) = duplex(1000);
        let mut buffer = WriteBuffer::default();
        let mut expected = Vec::new();
        for (round, size) in [10, 20_000, 30, 9_000, 9_000, 5].into_iter().enumerate() {
            let piece = vec![round as u8; size];
            expected.extend_from_slice(&piece);
            buffer.push(Bytes::from(piece));
        }
        assert_eq!(buffer.len(), expected.len());
        let write = async {
            std::future::poll_fn(|cx| buffer.poll_flush(cx, &mut near))
                .await
                .expect("memory");
            drop(near);
        };
        let mut read = Vec::new();
        let ((), result) = tokio::join!(write, far.read_to_end(&mut read));
        result.expect("memory");
        assert_eq!(read, expected);
        assert!(buffer.is_empty());
        assert_eq!(buffer.count(), expected.len() as u64);
        buffer.begin_count();
        buffer.push(Bytes::from_static(b"more"));
        assert_eq!(buffer.count(), 4);
    }
}
