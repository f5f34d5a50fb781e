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
    /// The head breaks the grammar.
    #[error("the head is malformed: {0}")]
    Malformed(&'static str),
    /// The version of the protocol is none that is served here.
    #[error("the protocol version is not supported")]
    Version,
    /// The method is none of those that are served.
    #[error("the method is unknown")]
    Method,
    /// A transfer coding other than `chunked`, or a list of codings.
    #[error("the transfer coding is not supported")]
    Coding,
    /// `Connection` names fields that are meant for everybody, or too many of them.
    #[error("the Connection field names fields of the message")]
    Connection,
    /// The body is framed in two ways.
    #[error("Transfer-Encoding beside Content-Length")]
    TwoFramings,
    /// The end of the body cannot be told for certain.
    #[error("the framing is ambiguous: {0}")]
    Framing(&'static str),
}

impl HeadError {
    /// The status that a server answers with before it closes.
    pub fn status(self) -> u16 {
        match self {
            Self::TooLarge | Self::TooManyFields => 431,
            Self::Malformed(_)
            | Self::Framing(_)
            | Self::TwoFramings
            | Self::Method
            | Self::Connection => 400,
            Self::Version => 426,
            Self::Coding => 501,
        }
    }

    /// Envoy's `response_code_details`.
    pub fn details(self) -> &'static str {
        match self {
            Self::TooLarge => "http1.headers_too_large",
            Self::TooManyFields => "http1.too_many_headers",
            Self::Malformed(_) | Self::Framing(_) | Self::Method => "http1.codec_error",
            Self::Version => "low_version",
            Self::Coding => "http1.invalid_transfer_encoding",
            Self::Connection => "http1.connection_header_rejected",
            Self::TwoFramings => "http1.content_length_and_chunked_not_allowed",
        }
    }
}

/// A body that cannot be read on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BodyError {
    /// A chunk header breaks the grammar or overflows.
    #[error("a chunk is malformed: {0}")]
    Chunk(&'static str),
    /// The trailers break the grammar.
    #[error("the trailers are malformed")]
    Trailers,
    /// The trailers exceed the limits of heads.
    #[error("the trailers are longer than the limit")]
    TrailersTooLarge,
    /// The connection ended before the body.
    #[error("the connection closed before the body was complete")]
    Truncated,
}

impl BodyError {
    /// The status that a server answers with, if it has not answered yet, before it closes.
    pub fn status(self) -> u16 {
        match self {
            Self::TrailersTooLarge => 431,
            Self::Chunk(_) | Self::Trailers | Self::Truncated => 400,
        }
    }

    /// Envoy's `response_code_details`.
    pub fn details(self) -> &'static str {
        match self {
            Self::TrailersTooLarge => "http1.trailers_too_large",
            Self::Chunk(_) | Self::Trailers | Self::Truncated => "http1.codec_error",
        }
    }
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
