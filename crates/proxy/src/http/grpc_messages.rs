//! Counting the messages in a gRPC body: each has five bytes before it, a flag and its length.

/// Bytes before a message.
const HEAD: u8 = 5;

/// The messages of an exchange.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Of the request.
    pub(super) request: MessageCount,
    /// Of the answer.
    pub(super) answer: MessageCount,
}

/// The messages of one direction.
#[derive(Debug, Default)]
pub(super) struct MessageCount {
    /// Those whose head has come.
    pub(super) messages: u64,
    /// Bytes of the current head that have come.
    head: u8,
    /// What is left of the current message; while the head comes, the part of its length that has.
    left: u32,
}

impl MessageCount {
    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, mut data: &[u8]) {
        while let [first, rest @ ..] = data {
            if self.head < HEAD {
                if self.head > 0 {
                    self.left = self.left << 8 | u32::from(*first);
                }
                self.head += 1;
                self.messages += u64::from(self.head == HEAD);
                data = rest;
            } else {
                let taken = data.len().min(self.left as usize);
                self.left -= taken as u32;
                data = &data[taken..];
            }
            if self.head == HEAD && self.left == 0 {
                self.head = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_wherever_the_bytes_are_cut() {
        let bytes = b"\0\0\0\0\x02hi\x01\0\0\0\0\0\0\0\0\x01x\0\0";
        for cut in 0..bytes.len() {
            let mut count = MessageCount::default();
            count.feed(&bytes[..cut]);
            count.feed(&bytes[cut..]);
            assert_eq!(count.messages, 3, "cut at {cut}");
        }
    }
}
