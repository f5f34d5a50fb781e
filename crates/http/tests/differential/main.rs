//! Our HTTP/1 parser against other readings of the same bytes: the grammar of RFC 9112 written down
//! naively (`rules`), `httparse` alone, and hyper.
//!
//! Inputs are put together from good and evil parts and then mutated, always the same ones. Where
//! hyper accepts what we refuse, `STRICTER` has to say why; where no input shows a reason of that
//! list any more, the reason has to go.

mod generate;
mod other;
mod rules;

use std::collections::BTreeSet;

use bytes::BytesMut;
use ferromesh_http::http1::{
    BodyDecoder, BodyError, HeadError, Limits, parse_request, parse_response,
};
use ferromesh_http::{Frame, Framing, Method};

use generate::Source;
use rules::Reading;

/// Inputs per test against the rules; each takes microseconds.
const AGAINST_RULES: u64 = 60_000;
/// Inputs per test against hyper, which needs a connection for each.
const AGAINST_HYPER: u64 = 6_000;

/// Why we refuse what hyper accepts: the grammar says so, and another reader behind us may not be as
/// forgiving in the same way.
const STRICTER_REQUESTS: &[&str] = &[
    // RFC 9112 section 2.2 allows to take a bare LF for a line end; not all do.
    "malformed: a line that ends without CR",
    // RFC 9112 section 3.2: exactly one Host, and a valid one.
    "malformed: more than one Host",
    "malformed: a character in Host",
    "malformed: no Host",
    // RFC 9112 section 3.2: the forms of targets.
    "malformed: an asterisk target outside OPTIONS",
    "malformed: the form of the request target",
    "malformed: the target of CONNECT",
    "malformed: a character in the authority",
    // RFC 9112 section 6.3: equal lengths may be merged, but not all do.
    "framing: more than one Content-Length",
    // RFC 9112 section 6.1: a length beside a coding may be ignored, but not all do.
    "twoframings",
    // RFC 9112 section 6.1: codings before chunked are the application's in hyper.
    "coding",
    // RFC 9110 section 7.6.1: not to be named; and a bound.
    "connection",
    // RFC 9112 section 7.1.1: no control characters in extensions.
    "chunk: its size",
];

/// The same for answers, with one more.
const STRICTER_ANSWERS: &[&str] = &[
    "malformed: a line that ends without CR",
    "framing: more than one Content-Length",
    // RFC 9112 section 6.3: a list of equal lengths may be merged, but not all do.
    "framing: a Content-Length that is not a number",
    "twoframings",
    "coding",
    "connection",
    "chunk: its size",
];

/// What we make of bytes: the message, or why there is none.
type Read = Result<Reading, String>;

fn reason_of_head(error: HeadError) -> String {
    match error {
        HeadError::Malformed(reason) => format!("malformed: {reason}"),
        HeadError::Framing(reason) => format!("framing: {reason}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn our_request(bytes: &[u8]) -> Read {
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
        fields: head.headers.len(),
        body,
        trailers,
        rest: buffer.to_vec(),
    })
}

fn our_answer(bytes: &[u8]) -> Read {
    let mut buffer = BytesMut::from(bytes);
    let answer = parse_response(&mut buffer, &Method::GET, &Limits::default());
    let Some(answer) = answer.map_err(reason_of_head)? else {
        return Err("incomplete".to_owned());
    };
    let head = answer.head;
    read_body(answer.framing, &mut buffer).map(|(body, trailers)| Reading {
        start: head.status.to_string(),
        host: Vec::new(),
        fields: head.headers.len(),
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

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[test]
fn requests_are_read_as_the_rules_say() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..AGAINST_RULES {
        let input = Source::new(seed).request();
        let (ours, ruled) = (our_request(&input), rules::request(&input));
        assert_eq!(ours.clone().ok(), ruled, "{}: {ours:?}", shown(&input));
        accepted += u64::from(ruled.is_some());
        refused += u64::from(ruled.is_none());
    }
    // The inputs are of use only while both kinds are many.
    assert!(accepted > AGAINST_RULES / 10 && refused > AGAINST_RULES / 10);
}

#[test]
fn answers_are_read_as_the_rules_say() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..AGAINST_RULES {
        let input = Source::new(seed).answer();
        let (ours, ruled) = (our_answer(&input), rules::answer(&input));
        assert_eq!(ours.clone().ok(), ruled, "{}: {ours:?}", shown(&input));
        accepted += u64::from(ruled.is_some());
        refused += u64::from(ruled.is_none());
    }
    assert!(accepted > AGAINST_RULES / 10 && refused > AGAINST_RULES / 10);
}

#[test]
fn what_httparse_refuses_is_refused() {
    let mut refused = 0;
    for seed in 0..AGAINST_RULES {
        let input = Source::new(seed).request();
        let mut table = [httparse::EMPTY_HEADER; 128];
        if httparse::Request::new(&mut table).parse(&input).is_err() {
            refused += 1;
            our_request(&input).expect_err(&shown(&input));
        }
    }
    assert!(refused > 0);
}

/// Compares with hyper; returns the reasons for which only we refused.
fn against_hyper(
    inputs: impl Iterator<Item = Vec<u8>>,
    ours: impl Fn(&[u8]) -> Read,
    hyper: impl Fn(&[u8]) -> Option<(String, Vec<u8>)>,
) -> BTreeSet<String> {
    let mut reasons = BTreeSet::new();
    for input in inputs {
        match (ours(&input), hyper(&input)) {
            (Ok(ours), Some((start, body))) => {
                let what = shown(&input);
                assert_eq!(ours.start, start, "{what}");
                // What follows CONNECT is a tunnel to us and nothing yet to hyper.
                assert!(ours.body == body || start == "CONNECT", "{what}: {body:?}");
            }
            (Ok(ours), None) => panic!("only we accept {}: {ours:?}", shown(&input)),
            (Err(reason), Some(_)) => {
                reasons.insert(reason);
            }
            (Err(_), None) => {}
        }
    }
    reasons
}

fn listed(reasons: &[&str]) -> BTreeSet<String> {
    reasons.iter().map(|reason| (*reason).to_owned()).collect()
}

#[test]
fn requests_that_hyper_accepts_are_read_alike_or_refused_for_a_known_reason() {
    let runtime = other::runtime();
    let inputs = (0..AGAINST_HYPER).map(|seed| Source::new(seed).request());
    let hyper = |bytes: &[u8]| runtime.block_on(other::request(bytes));
    let reasons = against_hyper(inputs, our_request, hyper);
    assert_eq!(reasons, listed(STRICTER_REQUESTS));
}

#[test]
fn answers_that_hyper_accepts_are_read_alike_or_refused_for_a_known_reason() {
    let runtime = other::runtime();
    let inputs = (0..AGAINST_HYPER).map(|seed| Source::new(seed).answer());
    let hyper = |bytes: &[u8]| runtime.block_on(other::answer(bytes));
    let reasons = against_hyper(inputs, our_answer, hyper);
    assert_eq!(reasons, listed(STRICTER_ANSWERS));
}
