//! A client of each protocol and an endpoint that allocate nothing per exchange.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 64\r\n\r\n\
    0123456789012345678901234567890123456789012345678901234567890123";
const REQUEST: &[u8] =
    b"GET /64 HTTP/1.1\r\nhost: bench\r\nuser-agent: test\r\naccept: */*\r\n\r\n";
const BUFFER: usize = 16 * 1024;

/// Answers every request of every connection; each has a thread of its own.
pub(super) fn endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) {
    let mut buffer = [0; BUFFER];
    let mut length = 0;
    while let Ok(count @ 1..) = stream.read(&mut buffer[length..]) {
        length += count;
        if buffer[..length].ends_with(b"\r\n\r\n") {
            length = 0;
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
    }
}

/// A kept HTTP/1.1 connection.
pub(super) struct Http1Client(TcpStream);

impl Http1Client {
    pub(super) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connected");
        stream.set_nodelay(true).expect("TCP");
        Self(stream)
    }

    /// One request and its answer.
    pub(super) fn exchange(&mut self) {
        self.ask();
        self.hear();
    }

    pub(super) fn ask(&mut self) {
        self.0.write_all(REQUEST).expect("sent");
    }

    /// The answer ends with the last digits of the body.
    pub(super) fn hear(&mut self) {
        let mut buffer = [0; BUFFER];
        let mut length = 0;
        while !buffer[..length].ends_with(b"0123") {
            let count = self.0.read(&mut buffer[length..]).expect("read");
            assert!(count > 0, "the proxy closed a kept connection");
            length += count;
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"), "not answered");
    }
}

/// A kept HTTP/2 connection (RFC 9113), written by hand: one stream after the other.
pub(super) struct Http2Client {
    stream: TcpStream,
    next: u32,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

impl Http2Client {
    pub(super) fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.set_nodelay(true).expect("TCP");
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .expect("sent");
        let mut client = Self { stream, next: 1 };
        client.send(SETTINGS, 0, 0, &[]);
        client
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = [0; 64];
        let length = payload.len() as u32;
        frame[..3].copy_from_slice(&length.to_be_bytes()[1..]);
        frame[3..5].copy_from_slice(&[kind, flags]);
        frame[5..9].copy_from_slice(&stream.to_be_bytes());
        frame[9..9 + payload.len()].copy_from_slice(payload);
        let frame = &frame[..9 + payload.len()];
        self.stream.write_all(frame).expect("sent");
    }

    /// One request and its answer, up to the end of its stream.
    pub(super) fn exchange(&mut self) {
        // Indexed `:method: GET`, `:scheme: http`, `:path: /`; literal `:authority: b` (RFC 7541).
        const FIELDS: [u8; 6] = [0x82, 0x86, 0x84, 0x01, 0x01, b'b'];
        let stream = self.next;
        self.next += 2;
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &FIELDS);
        let mut answered = false;
        loop {
            let (kind, flags, of, length) = self.read_frame();
            match kind {
                SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]),
                HEADERS if of == stream => answered = true,
                DATA if length > 0 => self.send(WINDOW_UPDATE, 0, 0, &length.to_be_bytes()),
                _ => {}
            }
            if of == stream && matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                assert!(answered, "a stream without an answer");
                return;
            }
        }
    }

    fn read_frame(&mut self) -> (u8, u8, u32, u32) {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).expect("read");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = [0; BUFFER];
        let payload = &mut payload[..length as usize];
        self.stream.read_exact(payload).expect("read");
        (head[3], head[4], stream, length)
    }
}
