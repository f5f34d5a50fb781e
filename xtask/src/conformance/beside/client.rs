//! A client that sends what its row says and keeps what comes back.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::message::{self, Message};

/// No step waits longer: timeouts in rows are fractions of a second.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// How long the client looks whether the connection ends after the last step.
const LAST_LOOK: Duration = Duration::from_millis(400);

/// What the client does next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends bytes.
    Send(String),
    /// Waits for so many final answers.
    Answers(usize),
    /// Waits for these bytes, which may be part of an answer.
    Until(&'static str),
    /// Lets time pass.
    Pause(u64),
    /// Ends the sending.
    HalfClose,
    /// Closes.
    Leave,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Final answers; the last one may have broken off.
    pub answers: Vec<Message>,
    /// Interim answers.
    pub interim: Vec<Message>,
    /// Bytes behind them.
    pub rest: String,
    /// Whether the last answer came to its end.
    pub complete: bool,
    /// How the connection ended, or that it is open.
    pub end: &'static str,
}

struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    received: Received,
    /// Whether each request that was sent is a HEAD.
    heads: Vec<bool>,
    finals: usize,
}

/// Plays the steps against the listener.
pub fn play(steps: &[Step], listener: SocketAddr) -> Received {
    let Ok(stream) = TcpStream::connect(listener) else {
        return Received {
            end: "refused",
            ..Received::default()
        };
    };
    let _ = stream.set_nodelay(true);
    let mut client = Client {
        stream,
        unread: Vec::new(),
        received: Received {
            end: "open",
            ..Received::default()
        },
        heads: Vec::new(),
        finals: 0,
    };
    let mut wanted = 0;
    for step in steps {
        match step {
            Step::Send(bytes) => client.send(bytes),
            Step::Answers(count) => {
                wanted += count;
                client.read_until(PATIENCE, |client| client.finals >= wanted);
            }
            Step::Until(text) => client.read_until(PATIENCE, |client| {
                let received = &client.received;
                let shows = |one: &Message| one.line.contains(text) || one.body.contains(text);
                message::find(&client.unread, text.as_bytes()).is_some()
                    || received.answers.iter().chain(&received.interim).any(shows)
            }),
            Step::Pause(millis) => pass(Duration::from_millis(*millis)),
            Step::HalfClose => drop(client.stream.shutdown(Shutdown::Write)),
            Step::Leave => {
                client.received.end = "left";
                break;
            }
        }
    }
    if client.received.end == "open" {
        client.read_until(LAST_LOOK, |_| false);
    }
    client.received.complete = true;
    if client.unread.starts_with(b"HTTP/")
        && let Some(mut broken) = message::take_head(&mut client.unread)
    {
        broken.body = String::from_utf8_lossy(&client.unread.split_off(0)).into_owned();
        client.received.answers.push(broken);
        client.received.complete = false;
    }
    client.received.rest = String::from_utf8_lossy(&client.unread).into_owned();
    client.received
}

/// Lets time pass: what a script waits for is time itself.
pub fn pass(time: Duration) {
    let begun = Instant::now();
    while let Some(left) = time.checked_sub(begun.elapsed()) {
        std::thread::park_timeout(left);
    }
}

impl Client {
    fn send(&mut self, bytes: &str) {
        if bytes.contains(" HTTP/1.") {
            self.heads.push(bytes.starts_with("HEAD "));
        }
        // A proxy that has closed shows when its answer is read.
        let _ = self.stream.write_all(bytes.as_bytes());
    }

    fn read_until(&mut self, patience: Duration, enough: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        self.take();
        while !enough(self) && self.received.end == "open" {
            let Some(left) = patience.checked_sub(begun.elapsed()) else {
                return;
            };
            let left = left.max(Duration::from_millis(1));
            let _ = self.stream.set_read_timeout(Some(left));
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => self.received.end = "closed",
                Ok(count) => self.unread.extend_from_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => return,
                Err(_) => self.received.end = "reset",
            }
            self.take();
        }
    }

    fn take(&mut self) {
        loop {
            let head_only = self.heads.get(self.finals).copied().unwrap_or_default();
            let ended = self.received.end != "open";
            let Some(answer) = message::take_answer(&mut self.unread, head_only, ended) else {
                return;
            };
            if answer.is_interim() {
                self.received.interim.push(answer);
            } else {
                self.finals += 1;
                self.received.answers.push(answer);
            }
        }
    }
}
