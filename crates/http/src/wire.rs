//! How many bytes an exchange takes on the wire of one of its sides, by Envoy's rules of counting.
//!
//! Bytes count when they are read, and when they are queued to be sent: an access log is written when
//! the last of them are queued. What TLS adds does not count.
//!
//! What `h2` does not tell is how long a block of fields became when it was compressed (HPACK, RFC
//! 7541). It counts with the length that it has as literals without Huffman's code, which is the
//! most that it can take.

use std::ops::AddAssign;

use crate::headers::Headers;
use crate::message::{RequestHead, ResponseHead};

/// Length of the header of an HTTP/2 frame (RFC 9113 section 4.1).
pub(crate) const FRAME_HEADER: u64 = 9;
/// The longest frame that every peer takes (RFC 9113 section 6.5.2), and that is sent.
const LONGEST_FRAME: u64 = 16 * 1024;

/// Bytes of one exchange on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireBytes {
    /// What came.
    pub received: WireCount,
    /// What went.
    pub sent: WireCount,
}

/// Bytes in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireCount {
    /// Everything: heads, bodies, what frames them.
    pub all: u64,
    /// Of these, fields: in HTTP/1.1 their lines, in HTTP/2 the frames that hold them.
    pub fields: u32,
    /// The same before it was compressed.
    pub plain_fields: u32,
}

impl WireBytes {
    /// Bytes that are no HTTP.
    pub fn raw(received: u64, sent: u64) -> Self {
        let count = |all| WireCount {
            all,
            ..WireCount::default()
        };
        Self {
            received: count(received),
            sent: count(sent),
        }
    }
}

impl AddAssign for WireBytes {
    fn add_assign(&mut self, more: Self) {
        self.received += more.received;
        self.sent += more.sent;
    }
}

impl AddAssign for WireCount {
    fn add_assign(&mut self, more: Self) {
        self.all += more.all;
        self.fields = self.fields.saturating_add(more.fields);
        self.plain_fields = self.plain_fields.saturating_add(more.plain_fields);
    }
}

impl WireCount {
    /// The head of a request on an HTTP/2 stream.
    pub(crate) fn of_request(head: &RequestHead) -> Self {
        let protocol = head.protocol.len();
        let method = if protocol > 0 {
            "CONNECT"
        } else {
            head.method.as_str()
        };
        let pseudo = [
            (":method".len(), method.len()),
            (":scheme".len(), head.scheme.as_str().len()),
            (":authority".len(), head.authority.len()),
            (":path".len(), head.path.len()),
            (":protocol".len(), protocol),
        ];
        let mut count = Self::default();
        count.add_block(&pseudo, &head.headers);
        count
    }

    /// The head of an answer on an HTTP/2 stream.
    pub(crate) fn of_response(head: &ResponseHead) -> Self {
        let mut count = Self::default();
        count.add_block(&[(":status".len(), "200".len())], &head.headers);
        count
    }

    /// Adds a block of fields of an HTTP/2 stream: `pseudo` are the lengths of its pseudo-header
    /// fields; one without a value is left out.
    pub(crate) fn add_block(&mut self, pseudo: &[(usize, usize)], fields: &Headers) {
        let pseudo = pseudo.iter().copied().filter(|(_, value)| *value > 0);
        let (mut plain, mut literal) = (0, FRAME_HEADER as usize);
        for (name, value) in pseudo.chain(fields.lengths()) {
            plain += name + value;
            literal += 1 + literal_length(name) + literal_length(value);
        }
        *self += Self {
            all: literal as u64,
            fields: literal as u32,
            plain_fields: plain as u32,
        };
    }

    /// Adds bytes of a body of an HTTP/2 stream, in as few frames as they fit into.
    pub(crate) fn add_body(&mut self, length: usize) {
        let length = length as u64;
        let frames = length.div_ceil(LONGEST_FRAME).max(1);
        self.all += length + frames * FRAME_HEADER;
    }
}

/// How long a text is as a string literal of HPACK: its length, in groups of seven bits after those
/// that fit into the first byte (RFC 7541 sections 5.1 and 5.2), and its bytes.
fn literal_length(length: usize) -> usize {
    const FIRST: usize = 127;
    let mut prefix = 1;
    if length >= FIRST {
        let mut left = length - FIRST;
        prefix += 1;
        while left >= 128 {
            left >>= 7;
            prefix += 1;
        }
    }
    prefix + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_text_takes_more_bytes_where_it_is_long() {
        // RFC 7541 appendix C.1: 1337 takes three bytes after a prefix of five bits; after one of
        // seven bits, 1337 - 127 takes two.
        for (length, expected) in [
            (0, 1),
            (126, 127),
            (127, 129),
            (254, 256),
            (255, 258),
            (1337, 1340),
        ] {
            assert_eq!(literal_length(length), expected);
        }
    }

    #[test]
    fn a_block_counts_as_literals_and_as_text() {
        let mut fields = Headers::new();
        fields.append("x-one", "1");
        let mut count = WireCount::default();
        count.add_block(
            &[(":status".len(), "200".len()), (":path".len(), 0)],
            &fields,
        );
        let expected = WireCount {
            all: 9 + (3 + 10) + (3 + 6),
            fields: 9 + (3 + 10) + (3 + 6),
            plain_fields: 16,
        };
        assert_eq!(count, expected);
    }

    #[test]
    fn a_body_is_framed() {
        let mut count = WireCount::default();
        for length in [0, 1, 16 * 1024, 16 * 1024 + 1] {
            count.add_body(length);
        }
        assert_eq!(count.all, 9 + 10 + (16 * 1024 + 9) + (16 * 1024 + 1 + 18));
    }
}
