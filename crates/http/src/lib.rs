//! HTTP/1.1 codec, HTTP/2, bodies and header editing; no policy.
//!
//! In: bytes of a connection. Out: heads ([`RequestHead`], [`ResponseHead`]) and body frames
//! ([`Frame`]) that do not depend on the protocol version, and the way back. Everything is polled
//! by the caller; nothing here owns a task or a timer.
//!
//! | folder | concern |
//! |---|---|
//! | `http1` | our own sans-I/O codec over `httparse`, strict framing (RFC 9112) |
//! | `http2` | the only user of the `h2` crate |
//! | `wire` | how many bytes an exchange takes |
//! | `headers`, `message` | heads whose names and values are slices of the read buffer |

mod body;
mod headers;
pub mod http1;
pub mod http2;
mod message;
mod name_filter;
mod spare_fields;
mod wire;

pub use body::{Frame, Framing};
pub use headers::Headers;
pub use http::Method;
pub use message::{RequestHead, ResponseHead, Scheme, Version};
pub use wire::{WireBytes, WireCount};
