//! Messages out of good and evil parts, mutated here and there. The same seed gives the same bytes.

/// A source of messages.
pub(crate) struct Source(fastrand::Rng);

const METHODS: &[&[u8]] = &[
    b"GET", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"PURGE", b"get", b"G(T", b"",
];
const TARGETS: &[&[u8]] = &[
    b"/",
    b"/a?b=c",
    b"/a/%2f",
    b"//a",
    b"*",
    b"http://a/b",
    b"http://a",
    b"https://a:1?q",
    b"http://",
    b"http://u@a/",
    b"ftp://a/",
    b"a:1",
    b"[::1]:1",
    b"a",
    b"",
    b"/\xfc",
    b"/a b",
];
const VERSIONS: &[&[u8]] = &[
    b"HTTP/1.0",
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"http/1.1",
    b"HTTP/1.10",
    b"",
];
const HOSTS: &[&[u8]] = &[
    b"Host: a:1",
    b"Host:",
    b"host: [::1]:1",
    b"Host: a/b",
    b"Host: u@a",
    b"Host: a b",
    b"Host: a:b",
    b"Host : a",
    b"Host: a\r\nHost: a",
    b"X-None: 1",
];
const FRAMINGS: &[&[u8]] = &[
    b"Content-Length: 3",
    b"content-length: 003",
    b"Content-Length: 0",
    b"Content-Length: +3",
    b"Content-Length: 3, 3",
    b"Content-Length: 3\r\nContent-Length: 3",
    b"Content-Length: 3\r\nContent-Length: 4",
    b"Content-Length: 99999999999999999999",
    b"Content-Length: 0x3",
    b"Content-Length:",
    b"Content-Length: 3 ",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding: Chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 3",
    b"Content-Length: 3\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding : chunked",
];
const FIELDS: &[&[u8]] = &[
    b"A: 1",
    b"A:",
    b"A:\t1 \t",
    b"B: caf\xe9",
    b"X_Y: 1",
    b"A: 1\r\n 2",
    b"A : 1",
    b" A: 1",
    b": 1",
    b"no colon",
    b"A: 1\x01 2",
    b"A: 1\x002",
    b"A: 1\r2",
    b"A: 1\x7f",
    b"A(: 1",
    b"\xe9: 1",
    b"A: 1\n",
    b"Connection: close, a",
    b"Connection: x-forwarded-for",
    b"Connection: keep-alive",
    b"Connection: 1,2,3,4,5,6,7,8,9,10,11",
    b"Connection: Upgrade\r\nUpgrade: h2c",
    b"Keep-Alive: 5",
    b"TE: trailers",
    b"Expect: nothing",
];
const BODIES: &[&[u8]] = &[
    b"abc",
    b"",
    b"3\r\nabc\r\n0\r\n\r\n",
    b"3;x=y\r\nabc\r\n0\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n",
    b"3\nabc\r\n0\r\n\r\n",
    b"3\r\nabc\n0\r\n\r\n",
    b"0\r\n\r\n",
    b"0\r\nA: 1\r\n\r\n",
    b"0\r\nA : 1\r\n\r\n",
    b"A\r\n0123456789\r\n00\r\n\r\n",
    b"+3\r\nabc\r\n0\r\n\r\n",
    b"3;a=\"b\"\r\nabc\r\n0\r\n\r\n",
    b"3;a=\"\r\nabc\r\n0\r\n\r\n",
    b"3;\x01\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"0\r\nHost: b\r\n\r\n",
    b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    b"g\r\n",
    b"\r\n",
    b"3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
];
const STATUS_LINES: &[&[u8]] = &[
    b"HTTP/1.1 200 ",
    b"HTTP/1.1 404 Not Found",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 304 Not Modified",
    b"HTTP/1.1 2x0 OK",
    b"HTTP/1.1 99 OK",
    b"HTTP/1.1 2000 OK",
    b"HTTP/2.0 200 OK",
    b"HTTP/1.1  200 OK",
    b"ICY 200 OK",
    b"HTTP/1.1 200 caf\xe9",
    b"HTTP/1.1 200 a\x01b",
    b"",
];
/// Bytes that mean something somewhere in a message.
const SPECIAL: &[u8] = b"\r\n\t :;,0/\0\x0b\x7f\xff";

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A request.
    pub(crate) fn request(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.0.u8(..) < 8 {
            bytes.extend_from_slice(b"\r\n");
        }
        let line: [&[u8]; 5] = [
            self.mostly(b"GET", METHODS),
            b" ",
            self.mostly(b"/", TARGETS),
            b" ",
            self.mostly(b"HTTP/1.1", VERSIONS),
        ];
        bytes.extend(line.concat());
        self.end_line(&mut bytes);
        let host = self.mostly(b"Host: a", HOSTS);
        self.rest(bytes, host)
    }

    /// An answer.
    pub(crate) fn answer(&mut self) -> Vec<u8> {
        let mut bytes = self.mostly(b"HTTP/1.1 200 OK", STATUS_LINES).to_vec();
        self.end_line(&mut bytes);
        self.rest(bytes, b"Server: a")
    }

    fn rest(&mut self, mut bytes: Vec<u8>, first: &[u8]) -> Vec<u8> {
        bytes.extend_from_slice(first);
        self.end_line(&mut bytes);
        for _ in 0..self.0.usize(..3) {
            let field = self.mostly(b"A: 1", FIELDS);
            bytes.extend_from_slice(field);
            self.end_line(&mut bytes);
        }
        if self.0.bool() {
            bytes.extend_from_slice(self.any(FRAMINGS));
            self.end_line(&mut bytes);
        }
        self.end_line(&mut bytes);
        bytes.extend_from_slice(self.any(BODIES));
        if self.0.u8(..) < 64 {
            self.mutate(&mut bytes);
        }
        bytes
    }

    fn any(&mut self, list: &'static [&'static [u8]]) -> &'static [u8] {
        list[self.0.usize(..list.len())]
    }

    fn mostly(&mut self, usual: &'static [u8], list: &'static [&'static [u8]]) -> &'static [u8] {
        if self.0.u8(..4) > 0 {
            usual
        } else {
            self.any(list)
        }
    }

    fn end_line(&mut self, bytes: &mut Vec<u8>) {
        let end: &[u8] = match self.0.u8(..) {
            0 => b"\n",
            1 => b"\r",
            2 => b"\r\r\n",
            _ => b"\r\n",
        };
        bytes.extend_from_slice(end);
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.0.usize(..2) {
            if bytes.is_empty() {
                return;
            }
            let at = self.0.usize(..bytes.len());
            let special = SPECIAL[self.0.usize(..SPECIAL.len())];
            match self.0.u8(..4) {
                0 => bytes[at] = special,
                1 => bytes.insert(at, special),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
    }
}
