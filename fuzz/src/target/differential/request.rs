//! Requests.

use http::Uri;

use super::ours::our_request;
use super::stricter::STRICTER_REQUESTS;
use super::{LONGEST, RUNTIME, SEEDS, Source, as_hyper, as_ruled, other, rules, shown};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "differential_request",
    about: "a request is read as RFC 9112's rules, httparse and hyper read it, or refused for a known reason",
    run,
    seeds,
    words: super::super::request_head::WORDS,
};

/// Reasons to refuse what hyper accepts that the test's parts of messages do not come to.
const STRICTER_STILL: &[&str] = &[
    // RFC 9112 section 6.1: hyper does not look at it beside a coding; another reader may.
    "framing: a Content-Length that is not a number",
    // RFC 9112 section 2.2 speaks of one empty line before a request; we take eight.
    "malformed: nothing but empty lines",
    // RFC 3986 section 2: ASCII.
    "malformed: a character in the request target",
    // RFC 9112 section 2.2: a bare LF there.
    "trailers",
];

fn run(bytes: &[u8]) {
    if bytes.len() > LONGEST {
        return;
    }
    let ours = our_request(bytes);
    as_ruled(bytes, &ours, rules::request(bytes).as_ref());
    let mut table = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut table);
    let tokens = parsed.parse(bytes).is_ok_and(|status| status.is_complete());
    if let Ok(ours) = &ours {
        assert!(tokens, "httparse refuses {}", shown(bytes));
        assert_eq!(Some(ours.start.as_str()), parsed.method);
    }
    // hyper keeps targets as a type that has no place for some of them: `<` in a path, for one.
    let wider = parsed.path.is_none_or(|path| path.parse::<Uri>().is_err());
    let hyper = RUNTIME.with(|runtime| runtime.block_on(other::request(bytes)));
    as_hyper(
        bytes,
        &ours,
        hyper,
        &[STRICTER_REQUESTS, STRICTER_STILL],
        wider,
    );
}

fn seeds() -> Vec<Vec<u8>> {
    (0..SEEDS).map(|seed| Source::new(seed).request()).collect()
}
