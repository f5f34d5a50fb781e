//! HTTP/1.1 (RFC 9112): parsing, framing, writing, and a connection that does all three.
//!
//! Framing is strict: what two parsers could read differently is refused, never forwarded.

mod buffer;
mod connection;
mod decode;
mod encode;
mod error;
mod fields;
mod head;
mod names;
mod spare;
mod target;

pub use buffer::WriteBuffer;
pub use connection::Connection;
pub use decode::BodyDecoder;
pub use encode::{encode_request, encode_response};
pub use error::{BodyError, ConnectionError, HeadError};
pub use head::{IncomingRequest, IncomingResponse, Limits, parse_request, parse_response};
pub(crate) use names::Written;
pub use names::{Keeping, NameCase};

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 section 3.4).
pub const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
