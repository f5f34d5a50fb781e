//! The client: it sends a row's bytes as they are and notes what comes back.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::message::{self, Message};
use super::origin::PROBE;
use super::row::{After, Finish, Piece, Row};

/// How long an answer may take; long enough for a machine with other work.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the client saw.
#[derive(Debug)]
pub struct Seen {
    /// The answers, interim ones included.
    pub answers: Vec<Message>,
    /// What a tunnel sent back.
    pub echoed: Vec<u8>,
    /// What became of the connection.
    pub after: After,
}

struct Conversation<'r> {
    reader: BufReader<TcpStream>,
    row: &'r Row,
    seen: Seen,
    /// Answers that were not interim.
    finished: usize,
    /// Whether nothing more is to be read.
    over: bool,
}

/// Plays the client of a row.
pub fn play(row: &Row, address: SocketAddr) -> io::Result<Seen> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut conversation = Conversation {
        reader: BufReader::new(stream),
        row,
        seen: Seen {
            answers: Vec::new(),
            echoed: Vec::new(),
            after: After::Silent,
        },
        finished: 0,
        over: false,
    };
    for piece in row.send.list() {
        match &piece {
            Piece::Answers { after_answers } => conversation.read_answers(*after_answers),
            Piece::Echo { .. } => conversation.echo(&piece.bytes()),
            _ => conversation.write(&piece.bytes()),
        }
    }
    conversation.read_answers(row.answers.len());
    conversation.finish();
    Ok(conversation.seen)
}

impl Conversation<'_> {
    /// A proxy that has refused what came before may have closed; the answers tell.
    fn write(&mut self, bytes: &[u8]) {
        let _ = self.reader.get_mut().write_all(bytes);
    }

    fn read_answers(&mut self, count: usize) {
        while !self.over && self.seen.answers.len() < count {
            if let Some(answer) = self.next_answer() {
                self.seen.answers.push(answer);
            }
        }
    }

    fn next_answer(&mut self) -> Option<Message> {
        let method = self.row.methods.get(self.finished);
        let method = method.map_or("GET", String::as_str);
        match message::read_from(&mut self.reader, method) {
            Ok(Some(answer)) => {
                if answer.status() / 100 != 1 || answer.status() == 101 {
                    self.finished += 1;
                }
                if answer.opens_tunnel(method) {
                    self.end(After::Tunnel);
                }
                if !answer.complete {
                    self.end(After::Closed);
                }
                Some(answer)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.end(After::Silent);
                None
            }
            Ok(None) | Err(_) => {
                self.end(After::Closed);
                None
            }
        }
    }

    fn end(&mut self, after: After) {
        self.over = true;
        self.seen.after = after;
    }

    fn echo(&mut self, bytes: &[u8]) {
        self.write(bytes);
        let mut back = vec![0; bytes.len()];
        if self.seen.after == After::Tunnel && self.reader.read_exact(&mut back).is_ok() {
            self.seen.echoed.extend_from_slice(&back);
        }
    }

    fn finish(&mut self) {
        if self.over {
            return;
        }
        match self.row.finish {
            Finish::Probe => self.probe(),
            Finish::HalfClose => {
                let _ = self.reader.get_mut().shutdown(Shutdown::Write);
                self.read_answers(usize::MAX);
            }
            Finish::Read => self.read_answers(usize::MAX),
            Finish::Leave => self.seen.after = After::Left,
        }
    }

    fn probe(&mut self) {
        self.write(format!("GET {PROBE} HTTP/1.1\r\nHost: probe\r\n\r\n").as_bytes());
        while !self.over {
            match self.next_answer() {
                Some(answer) if answer.body == PROBE.as_bytes() => {
                    let more = !self.reader.buffer().is_empty() && self.reader.fill_buf().is_ok();
                    self.end(if more { After::Silent } else { After::Open });
                }
                Some(answer) => self.seen.answers.push(answer),
                None => {}
            }
        }
    }
}
