//! What came of a request, and whether that is what was expected.

use std::collections::BTreeMap;

use super::file::{Expectation, Receipt};
use super::pods::belongs_to;

/// How far a share may be off, in standard deviations: one of 1,000 honest runs fails.
const DEVIATIONS: f64 = 3.3;

/// What came of one request. What a data plane cannot know is `None`.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: Option<u16>,
    /// The pod that answered; empty if the proxy did.
    pub by: String,
    /// The path that it saw.
    pub path: Option<String>,
    /// The authority that it saw.
    pub host: Option<String>,
    /// The headers that it saw, names in lower case.
    pub sees: Option<BTreeMap<String, String>>,
    /// The headers of the answer, names in lower case.
    pub gets: Option<BTreeMap<String, String>>,
    /// The body, of an answer that the proxy itself gave.
    pub body: Option<String>,
    /// The response flags in the access log of the client's proxy.
    pub flags: Option<String>,
}

/// A request as a workload received it.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The pod.
    pub by: String,
    /// The path.
    pub path: String,
    /// The authority.
    pub host: String,
    /// The headers, names in lower case.
    pub sees: BTreeMap<String, String>,
}

/// What came of asking once, or several times.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The answers.
    pub answers: Vec<Answer>,
    /// What workloads received of it; `None` if the data plane cannot know.
    pub received: Option<Vec<Received>>,
}

/// What is wrong with what came of a request; nothing if all is as expected.
pub fn judge(expected: &Expectation, outcome: &Outcome) -> Vec<String> {
    let answers = &outcome.answers;
    let mut wrong: Vec<String> = answers
        .iter()
        .flat_map(|answer| judge_one(expected, answer))
        .collect();
    wrong.extend(judge_shares(expected, answers));
    if let Some(received) = &outcome.received {
        for receipt in &expected.receives {
            wrong.extend(judge_receipt(receipt, received));
        }
    }
    wrong.dedup();
    wrong.truncate(4);
    wrong
}

fn judge_one(expected: &Expectation, answer: &Answer) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut differ = |what: &str, wanted: Option<String>, found: Option<String>| {
        if let (Some(wanted), Some(found)) = (wanted, found)
            && wanted != found
        {
            wrong.push(format!("{what} {found:?}, not {wanted:?}"));
        }
    };
    let text = |number: u16| number.to_string();
    differ("status", expected.status.map(text), answer.status.map(text));
    differ("path", expected.path.clone(), answer.path.clone());
    differ("host", expected.host.clone(), answer.host.clone());
    differ("flags", expected.flags.clone(), answer.flags.clone());
    differ("body", expected.body.clone(), answer.body.clone());
    if let Some(by) = &expected.by
        && !belongs_to(&answer.by, by)
    {
        wrong.push(format!("answered by {:?}, not {by:?}", answer.by));
    }
    for (side, wanted, found) in [
        ("request", &expected.sees, &answer.sees),
        ("response", &expected.gets, &answer.gets),
    ] {
        let Some(found) = found else { continue };
        wrong.extend(judge_headers(side, wanted, found));
    }
    wrong
}

fn judge_headers(
    side: &str,
    wanted: &BTreeMap<String, Option<String>>,
    found: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, value) in wanted {
        let have = found.get(&name.to_ascii_lowercase());
        if have != value.as_ref() {
            wrong.push(format!("{side} header {name} {have:?}, not {value:?}"));
        }
    }
    wrong
}

fn judge_receipt(wanted: &Receipt, received: &[Received]) -> Vec<String> {
    let by = &wanted.by;
    let own: Vec<&Received> = received
        .iter()
        .filter(|each| belongs_to(&each.by, by))
        .collect();
    let mut wrong = Vec::new();
    if own.len() != wanted.times as usize {
        wrong.push(format!("{by} received {}, not {}", own.len(), wanted.times));
    }
    for each in own {
        for (what, wanted, found) in [
            ("path", &wanted.path, &each.path),
            ("host", &wanted.host, &each.host),
        ] {
            if let Some(wanted) = wanted.as_ref().filter(|wanted| *wanted != found) {
                wrong.push(format!("{by} received {what} {found:?}, not {wanted:?}"));
            }
        }
        let side = format!("what {by} received: request");
        wrong.extend(judge_headers(&side, &wanted.sees, &each.sees));
    }
    wrong
}

fn judge_shares(expected: &Expectation, answers: &[Answer]) -> Vec<String> {
    let total = answers.len() as f64;
    let mut wrong = Vec::new();
    for (by, share) in &expected.shares {
        let count = answers.iter().filter(|answer| belongs_to(&answer.by, by));
        let found = count.count() as f64 / total;
        let allowed = DEVIATIONS * (share * (1.0 - share) / total).sqrt();
        if (found - share).abs() > allowed {
            wrong.push(format!("{by} answered {found:.3} of all, not {share}"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_judged_within_their_deviation() {
        let expected = Expectation {
            shares: BTreeMap::from([("echo-v1".to_owned(), 0.9)]),
            ..Expectation::default()
        };
        let outcome = |v1: usize| -> Outcome {
            let pod = |at| if at < v1 { "echo-v1-a" } else { "echo-v2-a" };
            let answer = |at| Answer {
                by: pod(at).to_owned(),
                ..Answer::default()
            };
            Outcome {
                answers: (0..100).map(answer).collect(),
                received: None,
            }
        };
        assert!(judge(&expected, &outcome(90)).is_empty());
        assert!(judge(&expected, &outcome(82)).is_empty());
        assert!(!judge(&expected, &outcome(50)).is_empty());
    }

    #[test]
    fn what_a_workload_received_is_counted_and_looked_at() {
        let receipt = |times, host: &str| Receipt {
            by: "spare".to_owned(),
            times,
            path: None,
            host: Some(host.to_owned()),
            sees: BTreeMap::from([("x-a".to_owned(), None)]),
        };
        let received = |by: &str| Received {
            by: by.to_owned(),
            host: "echo-shadow".to_owned(),
            ..Received::default()
        };
        let all = [received("spare-0"), received("echo-v1-0")];
        assert!(judge_receipt(&receipt(1, "echo-shadow"), &all).is_empty());
        assert_eq!(judge_receipt(&receipt(2, "echo-shadow"), &all).len(), 1);
        assert_eq!(judge_receipt(&receipt(1, "echo"), &all).len(), 1);
        assert_eq!(judge_receipt(&receipt(0, "echo-shadow"), &[]).len(), 0);
    }
}
