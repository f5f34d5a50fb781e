//! Pings: whether the peer is still there (RFC 9113 section 6.7).

use std::task::{Context, Poll};

use h2::{Ping, PingPong};

use super::stream::Http2Error;

/// Asks the peer of a connection for a sign of life, one at a time. The connection has to be polled
/// for the question to go out and the answer to come in.
#[derive(Debug)]
pub struct Pinger {
    pings: PingPong,
}

impl Pinger {
    pub(super) fn new(pings: PingPong) -> Self {
        Self { pings }
    }

    /// Asks.
    pub fn send(&mut self) -> Result<(), Http2Error> {
        Ok(self.pings.send_ping(Ping::opaque())?)
    }

    /// Resolves when the answer has come.
    pub fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Http2Error>> {
        let answer = self.pings.poll_pong(cx);
        answer.map_ok(drop).map_err(Http2Error::from)
    }
}
