//! Chunked bodies, against a reader that is too simple to be wrong.

use bytes::BytesMut;
use ferromesh_http::http1::{BodyDecoder, BodyError, Limits};
use ferromesh_http::{Frame, Framing};

use crate::prefix::cuts;
use crate::{Target, no_seeds};

pub(crate) const TARGET: Target = Target {
    name: "chunked",
    about: "pieces change nothing; a body that is accepted is the one that RFC 9112 says",
    run,
    seeds: no_seeds,
    words: &[
        "\r\n",
        "0\r\n\r\n",
        "5\r\nhello\r\n",
        ";a=b",
        ";a=\"b\"",
        "f",
        "ffffffffffffffff",
        "00000000000000000001",
        "X-Sum: 1\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        "\0",
        "Host: x\r\n",
        "Content-Length: 1\r\n",
    ],
};

#[derive(Debug, PartialEq)]
enum Outcome {
    Incomplete,
    Refused,
    Body { data: Vec<u8>, consumed: usize },
}

fn run(bytes: &[u8]) {
    let whole = decode(bytes, [bytes.len()].into_iter());
    let pieces = decode(bytes, cuts(bytes.len()).skip(1).chain([bytes.len()]));
    assert_eq!(whole, pieces, "as a whole and in pieces");
    match (&whole, simple(bytes)) {
        (Outcome::Body { data, consumed }, simple) => {
            let simple = simple.expect("what is accepted is complete to the simple reader too");
            assert_eq!((data, *consumed), (&simple.data, simple.consumed));
        }
        (outcome, Some(simple)) => assert!(!simple.plain, "refused or left: {outcome:?}"),
        (_, None) => {}
    }
}

fn decode(bytes: &[u8], cuts: impl Iterator<Item = usize>) -> Outcome {
    let mut decoder = BodyDecoder::new(Framing::Chunked, Limits::default());
    let (mut buffer, mut data, mut fed) = (BytesMut::new(), Vec::new(), 0);
    for cut in cuts {
        buffer.extend_from_slice(&bytes[fed..cut]);
        fed = cut;
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(Frame::Data(piece))) => {
                    assert!(!piece.is_empty(), "a frame without bytes");
                    data.extend_from_slice(&piece);
                }
                Ok(Some(Frame::Trailers(trailers))) => {
                    for (name, _) in trailers.iter() {
                        assert!(name != b"content-length" && name != b"host", "{name:?}");
                    }
                }
                Ok(Some(Frame::End)) => {
                    let consumed = fed - buffer.len();
                    return Outcome::Body { data, consumed };
                }
                Ok(None) => break,
                Err(error) => {
                    assert_ne!(error, BodyError::Truncated, "the connection did not end");
                    return Outcome::Refused;
                }
            }
        }
    }
    Outcome::Incomplete
}

struct Simple {
    data: Vec<u8>,
    consumed: usize,
    /// No extensions, no trailers, short sizes: nothing that a reader may refuse.
    plain: bool,
}

/// Reads a complete body and forgives a lot; `None` when it is not complete or no body.
fn simple(bytes: &[u8]) -> Option<Simple> {
    let mut rest = bytes;
    let (mut data, mut plain) = (Vec::new(), true);
    loop {
        let line = take_line(&mut rest)?;
        let (size, extension) = match line.split_once([';', ' ', '\t']) {
            Some((size, extension)) => (size, Some(extension)),
            None => (line.as_str(), None),
        };
        plain &= extension.is_none() && size.len() <= 15;
        // The integer parser of the standard library takes a sign, which chunk sizes do not have.
        if size.starts_with('+') {
            return None;
        }
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            break;
        }
        let (chunk, after) = rest.split_at_checked(size)?;
        data.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n")?;
    }
    while !take_line(&mut rest)?.is_empty() {
        plain = false;
    }
    Some(Simple {
        data,
        consumed: bytes.len() - rest.len(),
        plain,
    })
}

/// A line, Latin-1 as text, without its end.
fn take_line(rest: &mut &[u8]) -> Option<String> {
    let end = rest.windows(2).position(|window| window == b"\r\n")?;
    let line = rest[..end].iter().map(|byte| char::from(*byte)).collect();
    *rest = &rest[end + 2..];
    Some(line)
}
