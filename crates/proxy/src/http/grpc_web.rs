//! gRPC-Web: gRPC for clients that see no trailers, as browsers. Bodies are as in gRPC, or base64 of
//! that, and the trailers come as a last message of the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use ferromesh_http::{Framing, Headers, ResponseHead};

use super::local_reply::LocalReply;

/// Marks the message that holds the trailers.
const TRAILERS: u8 = 0x80;

/// The text is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// It has other characters.
    Characters,
    /// It ends within a group of four.
    Length,
}

impl Malformed {
    /// Envoy's name of what is wrong.
    fn details(self) -> &'static str {
        match self {
            Self::Characters => "grpc_base_64_decode_failed",
            Self::Length => "grpc_base_64_decode_failed_bad_size",
        }
    }
}

/// The translation of one exchange.
#[derive(Debug, Default)]
pub(super) struct GrpcWeb {
    text_request: bool,
    text_answer: bool,
    /// Whether the answer is gRPC, so that it is translated.
    answers: bool,
    /// Up to three characters whose group of four is not complete.
    rest: Vec<u8>,
    /// What was found to be wrong with the request.
    malformed: Option<Malformed>,
}

impl GrpcWeb {
    /// For a request that is base64 or not, and an answer that is to be or not.
    pub(super) fn new(text_request: bool, text_answer: bool) -> Self {
        Self {
            text_request,
            text_answer,
            ..Self::default()
        }
    }

    /// Looks at the head of the answer that goes to the client; gives the framing of its body,
    /// which the trailers become part of.
    pub(super) fn begin_answer(&mut self, head: &ResponseHead, framing: Framing) -> Framing {
        let kind = head.headers.text("content-type").unwrap_or_default();
        self.answers = kind.starts_with("application/grpc-web");
        match framing {
            Framing::Length(1..) if self.answers => Framing::Chunked,
            framing => framing,
        }
    }

    /// Whether the answer's trailers go into its body.
    pub(super) fn translates_answer(&self) -> bool {
        self.answers
    }

    /// A part of the request's body, as gRPC has it.
    pub(super) fn decode(&mut self, data: Bytes) -> Result<Bytes, Malformed> {
        if !self.text_request {
            return Ok(data);
        }
        let text = if self.rest.is_empty() {
            data
        } else {
            let mut joined = std::mem::take(&mut self.rest);
            joined.extend_from_slice(&data);
            Bytes::from(joined)
        };
        let whole = text.len() / 4 * 4;
        self.rest.extend_from_slice(&text[whole..]);
        let mut decoded = Vec::with_capacity(whole / 4 * 3);
        let mut left = &text[..whole];
        while !left.is_empty() {
            // A client may pad each message on its own: a group with padding ends a section.
            let end = left.iter().position(|byte| *byte == b'=');
            let end = end.map_or(left.len(), |at| at / 4 * 4 + 4);
            let (section, after) = left.split_at(end);
            STANDARD
                .decode_vec(section, &mut decoded)
                .map_err(|_| Malformed::Characters)?;
            left = after;
        }
        Ok(decoded.into())
    }

    /// Whether the request's body may end here.
    pub(super) fn is_whole(&self) -> bool {
        self.rest.is_empty()
    }

    /// Notes what is wrong with the request.
    pub(super) fn refuse(&mut self, malformed: Malformed) {
        self.malformed = Some(malformed);
    }

    /// The answer to a request that cannot be decoded.
    pub(super) fn refusal(&self) -> Option<LocalReply> {
        let malformed = self.malformed?;
        let text = "Bad gRPC-web request, invalid base64 data.";
        let mut reply = LocalReply::new(400, text, malformed.details());
        reply.keeps_status = true;
        Some(reply)
    }

    /// A part of the answer's body, as the client wants it. Each part is a section of its own, so
    /// that no byte of a message has to wait for the next one.
    pub(super) fn encode(&self, data: Bytes) -> Bytes {
        if !self.answers || !self.text_answer {
            return data;
        }
        STANDARD.encode(&data).into()
    }

    /// The message that stands for the trailers.
    pub(super) fn trailers(&self, trailers: &Headers) -> Bytes {
        let mut text = Vec::new();
        for (name, value) in trailers.iter() {
            text.extend_from_slice(name);
            text.push(b':');
            text.extend_from_slice(value);
            text.extend_from_slice(b"\r\n");
        }
        let mut message = BytesMut::with_capacity(5 + text.len());
        message.put_u8(TRAILERS);
        message.put_u32(text.len() as u32);
        message.extend_from_slice(&text);
        self.encode(message.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> GrpcWeb {
        GrpcWeb {
            text_request: true,
            text_answer: true,
            answers: true,
            ..GrpcWeb::default()
        }
    }

    /// Decodes `parts`, one after the other.
    fn decoded(parts: &[&str]) -> Result<Vec<u8>, Malformed> {
        let mut web = text();
        let mut all = Vec::new();
        for part in parts {
            all.extend_from_slice(&web.decode(Bytes::copy_from_slice(part.as_bytes()))?);
        }
        Ok(all)
    }

    #[test]
    fn text_is_decoded_wherever_it_is_cut() {
        let whole = "aGVsbG8gd29ybGQ=";
        for cut in 0..whole.len() {
            let (first, second) = whole.split_at(cut);
            assert_eq!(decoded(&[first, second]), Ok(b"hello world".to_vec()));
        }
    }

    #[test]
    fn sections_may_be_padded_each() {
        assert_eq!(decoded(&["aGk=aGk=", "aGk="]), Ok(b"hihihi".to_vec()));
    }

    #[test]
    fn what_is_not_base64_is_found() {
        assert_eq!(decoded(&["a*b!"]), Err(Malformed::Characters));
    }

    #[test]
    fn trailers_are_a_message_of_their_own() {
        let mut trailers = Headers::default();
        trailers.append("grpc-status", "0");
        let web = GrpcWeb::default();
        let message = web.trailers(&trailers);
        assert_eq!(&message[..5], [0x80, 0, 0, 0, 15]);
        assert_eq!(&message[5..], b"grpc-status:0\r\n");
    }
}
