//! The endpoint behind the proxy: it keeps what it gets and answers what the row says.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use super::message::{self, Message};

/// What the client asks for to see whether it is still in step, and what it gets.
pub const PROBE: &str = "/probe";
const PROBE_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n/probe";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What the endpoint does during a row.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Answers by the number of the request.
    pub answers: Vec<Vec<u8>>,
    /// Whether the answer comes before the body of the request was read.
    pub early: bool,
    /// Whether the connection ends after the answer.
    pub close: bool,
}

#[derive(Debug, Default)]
struct State {
    script: Script,
    seen: Vec<Message>,
    answered: usize,
}

/// The endpoint.
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Origin {
    /// Begins to listen.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A connection that breaks is part of many rows.
                std::thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        Ok(Self { address, state })
    }

    /// Begins a row.
    pub fn begin(&self, script: Script) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State {
            script,
            ..State::default()
        };
    }

    /// The whole requests that came since then.
    pub fn seen(&self) -> Vec<Message> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.seen.clone()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(mut request) = message::read_head(&mut reader)? {
        let method = request.method().to_owned();
        if request.line.split(' ').nth(1) == Some(PROBE) {
            message::read_body(&mut reader, &method, &mut request)?;
            writer.write_all(PROBE_ANSWER)?;
            continue;
        }
        let (answer, script) = next_answer(state);
        if script.early {
            writer.write_all(&answer)?;
        }
        message::read_body(&mut reader, &method, &mut request)?;
        if !request.complete {
            return Ok(());
        }
        let mut guard = state.lock().unwrap_or_else(PoisonError::into_inner);
        guard.seen.push(request);
        drop(guard);
        if !script.early {
            writer.write_all(&answer)?;
        }
        if script.close {
            return writer.shutdown(Shutdown::Both);
        }
        if opens_tunnel(&method, &answer) {
            return echo(&mut reader, &mut writer);
        }
    }
    Ok(())
}

fn next_answer(state: &Mutex<State>) -> (Vec<u8>, Script) {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let number = state.answered;
    state.answered += 1;
    let answer = state.script.answers.get(number);
    let answer = answer.map_or_else(|| ANSWER.to_vec(), Clone::clone);
    (answer, state.script.clone())
}

fn opens_tunnel(method: &str, mut answer: &[u8]) -> bool {
    while let Ok(Some(head)) = message::read_head(&mut answer) {
        if head.opens_tunnel(method) {
            return true;
        }
        if head.status() / 100 != 1 {
            return false;
        }
    }
    false
}

fn echo(reader: &mut impl Read, writer: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return writer.shutdown(Shutdown::Both);
        }
        writer.write_all(&buffer[..count])?;
    }
}
