//! A client that sends HTTP/2 frames by hand, right or wrong.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// `NO_ERROR` and `ENHANCE_YOUR_CALM` of RFC 9113 section 7.
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const CALM: u32 = 0xb;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Last stream and error code of a GOAWAY.
    pub(crate) fn goaway(&self) -> (u32, u32) {
        let number = |at: usize| {
            let bytes = self.payload[at..at + 4].try_into().expect("four bytes");
            u32::from_be_bytes(bytes)
        };
        (number(0), number(4))
    }
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A head of literals that no table keeps (RFC 7541 section 6.2.2).
pub(crate) fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "one byte of length");
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The head of a GET.
pub(crate) fn get() -> Vec<u8> {
    head(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
    ])
}

/// A connection.
pub(crate) struct Frames(TcpStream);

impl Frames {
    /// Connects, and sends the preface and empty settings.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connected");
        let mut frames = Self(stream);
        frames.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        frames.send(&frame(SETTINGS, 0, 0, &[])).await;
        frames
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("sent");
    }

    /// Sends `bytes` again and again, up to `times`; ends early when the proxy closes.
    pub(crate) async fn flood(&mut self, bytes: &[u8], times: usize) {
        for _ in 0..times {
            if self.0.write_all(bytes).await.is_err() {
                return;
            }
        }
    }

    /// How many of `most` bytes the proxy takes while none of its own are read.
    pub(crate) async fn taken_unread(&mut self, bytes: &[u8], most: usize) -> usize {
        // Long enough for any pause of a busy machine: only a proxy that has stopped reading
        // makes it run out.
        let patience = std::time::Duration::from_secs(2);
        let mut taken = 0;
        while taken < most {
            match tokio::time::timeout(patience, self.0.write_all(bytes)).await {
                Ok(Ok(())) => taken += bytes.len(),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        taken
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut header = [0; 9];
        self.0.read_exact(&mut header).await.ok()?;
        let [high, middle, low, kind, flags, stream @ ..] = header;
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            payload,
        })
    }

    /// The next frame of that kind.
    pub(crate) async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Reads to the end of the connection; the error code of the last GOAWAY, when one came.
    pub(crate) async fn end(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                code = Some(frame.goaway().1);
            }
        }
        code
    }
}
