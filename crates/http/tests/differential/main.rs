//! Our HTTP/1 parser against other readings of the same bytes: the grammar of RFC 9112 written down
//! naively (`rules`), `httparse` alone, and hyper.
//!
//! Inputs are put together from good and evil parts and then mutated, always the same ones. Where
//! hyper accepts what we refuse, `STRICTER` has to say why; where no input shows a reason of that
//! list any more, the reason has to go.

mod generate;
mod other;
mod ours;
mod rules;
mod stricter;

use std::collections::BTreeSet;

use generate::Source;
use ours::{Read, our_answer, our_request};
use stricter::{STRICTER_ANSWERS, STRICTER_REQUESTS};

/// Inputs per test against the rules; each takes microseconds.
const AGAINST_RULES: u64 = 60_000;
/// Inputs per test against hyper, which needs a connection for each.
const AGAINST_HYPER: u64 = 6_000;

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
