//! Parts of a body, whatever protocol carries them.

use bytes::Bytes;

use crate::headers::Headers;

/// What comes next in a body. After `Trailers` or `End` nothing follows.
#[derive(Debug)]
pub enum Frame {
    /// Some bytes; never empty.
    Data(Bytes),
    /// The trailers, which also end the body.
    Trailers(Headers),
    /// The end.
    End,
}

/// How the end of a body is known (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    /// Until an end marker of the protocol: chunked, or the end of an HTTP/2 stream.
    Chunked,
    /// Until the connection closes (responses and tunnels).
    UntilClose,
}

impl Framing {
    /// Whether no byte of a body follows.
    pub fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }
}
