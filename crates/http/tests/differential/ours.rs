//! Our reading of a message, in the form that it is compared in.

use bytes::BytesMut;
use ferromesh_http::http1::{
    BodyDecoder, BodyError, HeadError, Limits, parse_request, parse_response,
};
use ferromesh_http::{Frame, Framing, Headers, Method};

use super::rules::Reading;

/// What we make of bytes: the message, or why there is none.
pub(crate) type Read = Result<Reading, String>;

fn reason_of_head(error: HeadError) -> String {
    match error {
        HeadError::Malformed(reason) => format!("malformed: {reason}"),
        HeadError::Framing(reason) => format!("framing: {reason}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

pub(crate) fn our_request(bytes: &[u8]) -> Read {
    let mut buffer = BytesMut::from(bytes);
    let request = parse_request(&mut buffer, &Limits::default());
    let Some(request) = request.map_err(reason_of_head)? else {
        return Err("incomplete".to_owned());
    };
    let head = request.head;
    let host = head.authority().as_bytes().to_vec();
    read_body(request.framing, &mut buffer).map(|(body, trailers)| Reading {
        start: head.method.as_str().to_owned(),
        host,
        fields: count(&head.headers),
        body,
        trailers,
        rest: buffer.to_vec(),
    })
}

pub(crate) fn our_answer(bytes: &[u8]) -> Read {
    let mut buffer = BytesMut::from(bytes);
    let answer = parse_response(&mut buffer, &Method::GET, &Limits::default());
    let Some(answer) = answer.map_err(reason_of_head)? else {
        return Err("incomplete".to_owned());
    };
    let head = answer.head;
    read_body(answer.framing, &mut buffer).map(|(body, trailers)| Reading {
        start: head.status.to_string(),
        host: Vec::new(),
        fields: count(&head.headers),
        body,
        trailers,
        rest: buffer.to_vec(),
    })
}

fn read_body(framing: Framing, buffer: &mut BytesMut) -> Result<(Vec<u8>, usize), String> {
    let mut decoder = BodyDecoder::new(framing, Limits::default());
    let (mut body, mut trailers) = (Vec::new(), 0);
    loop {
        match decoder.decode(buffer) {
            Ok(Some(Frame::Data(data))) => body.extend_from_slice(&data),
            Ok(Some(Frame::Trailers(fields))) => trailers = fields.len(),
            Ok(Some(Frame::End)) => return Ok((body, trailers)),
            Ok(None) if decoder.closed().is_ok() => return Ok((body, trailers)),
            Ok(None) => return Err("incomplete".to_owned()),
            Err(BodyError::Chunk(reason)) => return Err(format!("chunk: {reason}")),
            Err(error) => return Err(format!("{error:?}").to_lowercase()),
        }
    }
}

/// How many fields there are, where TE counts once.
fn count(headers: &Headers) -> usize {
    headers.len() - headers.all("te").skip(1).count()
}
