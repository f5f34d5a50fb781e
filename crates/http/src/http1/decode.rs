//! Bodies out of a read buffer (RFC 9112 sections 6 and 7). Sans-I/O: no bytes, no progress.

use bytes::{Buf, BytesMut};

use super::error::BodyError;
use super::head::Limits;
use crate::body::{Frame, Framing};
use crate::headers::Headers;

/// Longest chunk header with its extensions, which are read over.
const MAX_CHUNK_LINE: usize = 4096;

/// Where in a body the reader is.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
    limits: Limits,
}

#[derive(Debug)]
enum State {
    Length(u64),
    ChunkHeader,
    ChunkBytes(u64),
    /// The line break after the bytes of a chunk.
    ChunkEnd,
    Trailers,
    UntilClose,
    Done,
}

impl BodyDecoder {
    /// For a body of that framing.
    pub fn new(framing: Framing, limits: Limits) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkHeader,
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, limits }
    }

    /// Whether the whole body was taken.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes the next frame off `buffer`; `None` when more bytes are needed.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, BodyError> {
        loop {
            match &mut self.state {
                State::Done => return Ok(Some(Frame::End)),
                State::Length(left) => {
                    let frame = take(buffer, left);
                    if *left == 0 {
                        self.state = State::Done;
                    }
                    return Ok(frame);
                }
                State::UntilClose => {
                    let frame = (!buffer.is_empty()).then(|| Frame::Data(buffer.split().freeze()));
                    return Ok(frame);
                }
                State::ChunkBytes(left) => {
                    let frame = take(buffer, left);
                    if *left == 0 {
                        self.state = State::ChunkEnd;
                    }
                    return Ok(frame);
                }
                State::ChunkEnd => match buffer.get(..2) {
                    Some(b"\r\n") => {
                        buffer.advance(2);
                        self.state = State::ChunkHeader;
                    }
                    Some(_) => return Err(BodyError::Chunk("no line break after its bytes")),
                    None => return Ok(None),
                },
                State::ChunkHeader => match chunk_size(buffer)? {
                    None => return Ok(None),
                    Some(0) => self.state = State::Trailers,
                    Some(size) => self.state = State::ChunkBytes(size),
                },
                State::Trailers => {
                    let Some(trailers) = self.trailers(buffer)? else {
                        return Ok(None);
                    };
                    self.state = State::Done;
                    if !trailers.is_empty() {
                        return Ok(Some(Frame::Trailers(trailers)));
                    }
                }
            }
        }
    }

    /// The connection ended: fine for a body that lasts until then.
    pub fn closed(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::UntilClose | State::Done => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(BodyError::Truncated),
        }
    }

    fn trailers(&self, buffer: &mut BytesMut) -> Result<Option<Headers>, BodyError> {
        if buffer.starts_with(b"\r\n") {
            buffer.advance(2);
            return Ok(Some(Headers::new()));
        }
        let mut table = [httparse::EMPTY_HEADER; Limits::MOST_FIELDS];
        let limit = self.limits.fields.min(Limits::MOST_FIELDS);
        let (length, fields) = match httparse::parse_headers(buffer, &mut table[..limit]) {
            Ok(httparse::Status::Complete(complete)) => complete,
            Ok(httparse::Status::Partial) if buffer.len() <= self.limits.bytes => return Ok(None),
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(BodyError::TrailersTooLarge);
            }
            Err(_) => return Err(BodyError::Trailers),
        };
        if length > self.limits.bytes {
            return Err(BodyError::TrailersTooLarge);
        }
        let bare = memchr::memchr_iter(b'\n', &buffer[..length])
            .any(|at| at == 0 || buffer[at - 1] != b'\r');
        if bare {
            return Err(BodyError::Trailers);
        }
        let mut trailers = Headers::new();
        for field in fields {
            // Fields that would change framing or routing after the fact are dropped
            // (RFC 9110 section 6.5.1).
            let forbidden = [
                "content-length",
                "transfer-encoding",
                "host",
                "connection",
                "te",
            ];
            if !forbidden
                .iter()
                .any(|name| field.name.eq_ignore_ascii_case(name))
            {
                trailers.append(field.name, field.value.trim_ascii());
            }
        }
        buffer.advance(length);
        Ok(Some(trailers))
    }
}

fn take(buffer: &mut BytesMut, left: &mut u64) -> Option<Frame> {
    if buffer.is_empty() {
        return None;
    }
    let count = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
    *left -= count as u64;
    Some(Frame::Data(buffer.split_to(count).freeze()))
}

/// Takes a chunk header off the buffer: hexadecimal digits, then extensions up to CRLF.
fn chunk_size(buffer: &mut BytesMut) -> Result<Option<u64>, BodyError> {
    let line_end = memchr::memchr(b'\n', &buffer[..buffer.len().min(MAX_CHUNK_LINE)]);
    let Some(end) = line_end else {
        if buffer.len() >= MAX_CHUNK_LINE {
            return Err(BodyError::Chunk("its header is too long"));
        }
        return Ok(None);
    };
    let Some(line) = buffer[..end].strip_suffix(b"\r") else {
        return Err(BodyError::Chunk("its header ends without CR"));
    };
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let extension = &line[digits..];
    if extension.contains(&b'\r') {
        return Err(BodyError::Chunk("a bare CR in its header"));
    }
    if !matches!(extension.trim_ascii_start().first(), None | Some(b';'))
        || extension.iter().any(|byte| *byte < b' ' && *byte != b'\t')
        || !closes_quotes(extension)
    {
        return Err(BodyError::Chunk("its size"));
    }
    // 15 digits stay below 2^60, which no sum of chunks can overflow.
    if digits == 0 || digits > 15 {
        return Err(BodyError::Chunk("its size"));
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| BodyError::Chunk("its size"))?;
    let size = u64::from_str_radix(text, 16).map_err(|_| BodyError::Chunk("its size"))?;
    buffer.advance(end + 1);
    Ok(Some(size))
}

/// Whether a quoted value of an extension ends in it: a reader that looks for its end would find it
/// in the bytes of the chunk.
fn closes_quotes(extension: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for byte in extension {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    !quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `text` in pieces of `step` bytes; the data, the trailers and what is left over.
    fn chunked(text: &str, step: usize) -> Result<(String, Option<Headers>, String), BodyError> {
        let mut decoder = BodyDecoder::new(Framing::Chunked, Limits::default());
        let mut buffer = BytesMut::new();
        let mut pieces = text.as_bytes().chunks(step);
        let (mut data, mut trailers) = (Vec::new(), None);
        loop {
            match decoder.decode(&mut buffer)? {
                Some(Frame::Data(bytes)) => data.extend_from_slice(&bytes),
                Some(Frame::Trailers(fields)) => trailers = Some(fields),
                Some(Frame::End) => break,
                None => match pieces.next() {
                    Some(piece) => buffer.extend_from_slice(piece),
                    None => {
                        decoder.closed()?;
                        break;
                    }
                },
            }
        }
        pieces.for_each(|piece| buffer.extend_from_slice(piece));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((text(&data), trailers, text(&buffer)))
    }

    #[test]
    fn chunks_extensions_and_trailers_are_read_in_any_pieces() {
        let text =
            "5;a=b\r\nhello\r\n6 ; x=\"\\\"y\"\r\n world\r\n0\r\nX-Sum: 1\r\nhost: a\r\n\r\nNEXT";
        for step in 1..text.len() {
            let (data, trailers, rest) = chunked(text, step).expect("good");
            assert_eq!((data.as_str(), rest.as_str()), ("hello world", "NEXT"));
            let trailers = trailers.expect("there are some");
            assert_eq!(trailers.text("x-sum"), Some("1"));
            assert_eq!(trailers.len(), 1, "host is not a trailer");
        }
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for text in [
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhelloX\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "g\r\n",
            "\r\n",
            "-1\r\n",
            "+5\r\nhello",
            "0x5\r\nhello",
            " 5\r\nhello",
            "5 5\r\nhello",
            "5\x0b\r\nhello",
            "5;a\rb\r\nhello",
            "5;a=\"\r\nhello",
            "5;a=\"b\\\"\r\nhello",
            "ffffffffffffffff\r\n",
            "5\r\nhel",
            "0\r\nbad\r\n\r\n",
            "0\r\na: b\n\r\n",
        ] {
            chunked(text, text.len().max(1)).expect_err(text);
        }
        chunked(&"5".repeat(5000), 5000).expect_err("an endless header");
    }

    #[test]
    fn a_length_is_kept_to_the_byte() {
        let mut decoder = BodyDecoder::new(Framing::Length(5), Limits::default());
        let mut buffer = BytesMut::from("helloNEXT");
        let frame = decoder.decode(&mut buffer).expect("good");
        assert!(matches!(frame, Some(Frame::Data(bytes)) if bytes == "hello"));
        assert!(decoder.is_done());
        assert_eq!(&buffer[..], b"NEXT");
        let mut short = BodyDecoder::new(Framing::Length(5), Limits::default());
        assert_eq!(short.closed(), Err(BodyError::Truncated));
    }
}
