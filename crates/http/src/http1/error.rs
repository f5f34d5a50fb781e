//! Why a message is refused, with the status and the detail that Envoy would give.

use std::io;

use thiserror::Error;

/// A head that is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HeadError {
    /// The head is longer than the limit.
    #[error("the head is longer than the limit")]
    TooLarge,
    /// There are more fields than the limit.
    #[error("the head has more fields than the limit")]
    TooManyFields,
    /// The head did not arrive in the time that the caller gives it.
    #[error("the head did not arrive in time")]
    TooSlow,
    /// The head breaks the grammar.
    #[error("the head is malformed: {0}")]
    Malformed(&'static str),
    /// The end of the body cannot be told for certain.
    #[error("the framing is ambiguous: {0}")]
    Framing(&'static str),
}

impl HeadError {
    /// The status that a server answers with before it closes.
    pub fn status(self) -> u16 {
        match self {
            Self::TooLarge | Self::TooManyFields => 431,
            Self::TooSlow => 408,
            Self::Malformed(_) | Self::Framing(_) => 400,
        }
    }

    /// Envoy's `response_code_details`.
    pub fn details(self) -> &'static str {
        match self {
            Self::TooLarge => "http1.headers_too_large",
            Self::TooManyFields => "http1.too_many_headers",
            Self::TooSlow => "request_header_timeout",
            Self::Malformed(_) => "http1.codec_error",
            Self::Framing(_) => "http1.invalid_transfer_encoding",
        }
    }
}

/// A body that cannot be read on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BodyError {
    /// A chunk header breaks the grammar or overflows.
    #[error("a chunk is malformed: {0}")]
    Chunk(&'static str),
    /// The trailers break the grammar or the limits.
    #[error("the trailers are malformed")]
    Trailers,
    /// The connection ended before the body.
    #[error("the connection closed before the body was complete")]
    Truncated,
}

/// A connection that cannot go on.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer closed in the middle of a head, or before one that was due.
    #[error("the connection closed before the head was complete")]
    Closed,
    /// The head is refused.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The body is refused.
    #[error(transparent)]
    Body(#[from] BodyError),
}
