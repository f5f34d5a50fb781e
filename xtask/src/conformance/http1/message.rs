//! A raw HTTP/1 message as a peer sees it on the wire, read without judgement: the checks judge.

use std::io::{self, BufRead, BufReader, Read};

/// A message, its bytes as Latin-1 text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The request line or status line.
    pub line: String,
    /// Names as they were sent, values without surrounding spaces.
    pub fields: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// Trailers, like fields.
    pub trailers: Vec<(String, String)>,
    /// Whether the body came to its end.
    pub complete: bool,
}

impl Message {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    /// The status of an answer; 0 when there is none.
    pub fn status(&self) -> u16 {
        let word = self.line.split(' ').nth(1);
        word.and_then(|word| word.parse().ok()).unwrap_or_default()
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// Whether bytes without messages follow: an upgrade, or an answer to CONNECT.
    pub fn opens_tunnel(&self, method: &str) -> bool {
        self.status() == 101 || (method == "CONNECT" && self.status() / 100 == 2)
    }

    fn is_answer(&self) -> bool {
        self.line.starts_with("HTTP/")
    }

    fn has_body(&self, method: &str) -> bool {
        let status = self.status();
        let bodyless = method == "HEAD" || status / 100 == 1 || status == 204 || status == 304;
        !(self.is_answer() && (bodyless || self.opens_tunnel(method)))
    }
}

/// Bytes as text, one character each.
pub fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Text as bytes: the opposite of [`text`]. Characters beyond Latin-1 have no byte.
pub fn bytes(text: &str) -> Vec<u8> {
    text.chars()
        .filter_map(|character| u8::try_from(character).ok())
        .collect()
}

/// Reads a message off `bytes`; for an answer, `method` is that of the request.
pub fn read(bytes: &mut &[u8], method: &str) -> io::Result<Option<Message>> {
    read_from(&mut BufReader::new(bytes), method)
}

/// Reads a message; `None` when the stream ended before one began.
pub fn read_from(stream: &mut impl BufRead, method: &str) -> io::Result<Option<Message>> {
    let Some(mut message) = read_head(stream)? else {
        return Ok(None);
    };
    read_body(stream, method, &mut message)?;
    Ok(Some(message))
}

/// Reads a head only.
pub fn read_head(stream: &mut impl BufRead) -> io::Result<Option<Message>> {
    let mut message = Message::default();
    while message.line.is_empty() {
        match line(stream)? {
            Some(line) => message.line = line,
            None => return Ok(None),
        }
    }
    message.fields = fields(stream)?;
    Ok(Some(message))
}

/// Reads the body that a head announces. One that breaks off is left incomplete.
pub fn read_body(stream: &mut impl BufRead, method: &str, message: &mut Message) -> io::Result<()> {
    let result = if !message.has_body(method) {
        Ok(())
    } else if message.field("transfer-encoding").is_some() {
        chunks(stream, message)
    } else if let Some(length) = message.field("content-length") {
        let length = length.parse().unwrap_or_default();
        exactly(stream, length, &mut message.body)
    } else if message.is_answer() {
        stream.read_to_end(&mut message.body).map(drop)
    } else {
        Ok(())
    };
    match result {
        Ok(()) => message.complete = true,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
        Err(_) => message.complete = false,
    }
    Ok(())
}

fn line(stream: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut read = Vec::new();
    stream.read_until(b'\n', &mut read)?;
    if read.is_empty() {
        return Ok(None);
    }
    while read
        .last()
        .is_some_and(|byte| matches!(byte, b'\r' | b'\n'))
    {
        read.pop();
    }
    Ok(Some(text(&read)))
}

fn fields(stream: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = line(stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.trim_matches([' ', '\t']);
        fields.push((name.to_owned(), value.to_owned()));
    }
}

fn chunks(stream: &mut impl BufRead, message: &mut Message) -> io::Result<()> {
    loop {
        let header = line(stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = header.split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        if size == 0 {
            message.trailers = fields(stream)?;
            return Ok(());
        }
        exactly(stream, size, &mut message.body)?;
        line(stream)?;
    }
}

fn exactly(stream: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
    let before = body.len() as u64;
    stream.by_ref().take(length).read_to_end(body)?;
    if body.len() as u64 - before < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
