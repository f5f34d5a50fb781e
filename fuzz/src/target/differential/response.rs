//! Responses to GET.

use super::ours::our_answer;
use super::stricter::STRICTER_ANSWERS;
use super::{LONGEST, RUNTIME, SEEDS, Source, as_hyper, as_ruled, other, rules, shown};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "differential_response",
    about: "a response is read as RFC 9112's rules, httparse and hyper read it, or refused for a known reason",
    run,
    seeds,
    words: super::super::response_head::WORDS,
};

/// Reasons to refuse what hyper accepts that the test's parts of messages do not come to.
const STRICTER_STILL: &[&str] = &[
    // RFC 9112 section 2.2: a bare LF there.
    "trailers",
    // RFC 9112 section 6.1: faulty framing. hyper does not look where no body can be.
    "framing: Transfer-Encoding in HTTP/1.0",
];

fn run(bytes: &[u8]) {
    if bytes.len() > LONGEST {
        return;
    }
    let ours = our_answer(bytes);
    as_ruled(bytes, &ours, rules::answer(bytes).as_ref());
    let mut table = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Response::new(&mut table);
    let tokens = parsed.parse(bytes).is_ok_and(|status| status.is_complete());
    if let Ok(ours) = &ours {
        assert!(tokens, "httparse refuses {}", shown(bytes));
        assert_eq!(ours.start.parse().ok(), parsed.code);
        // hyper goes on to the final answer; the connection's reader does that for us.
        if ours.start.starts_with('1') {
            return;
        }
    }
    let hyper = RUNTIME.with(|runtime| runtime.block_on(other::answer(bytes)));
    as_hyper(
        bytes,
        &ours,
        hyper,
        &[STRICTER_ANSWERS, STRICTER_STILL],
        false,
    );
}

fn seeds() -> Vec<Vec<u8>> {
    (0..SEEDS).map(|seed| Source::new(seed).answer()).collect()
}
