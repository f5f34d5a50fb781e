//! What came of a request, and whether that is what was expected.

use std::collections::BTreeMap;

use super::file::Expectation;

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
}

/// What is wrong with the answers to one request; nothing if all is as expected.
pub fn judge(expected: &Expectation, answers: &[Answer]) -> Vec<String> {
    let mut wrong: Vec<String> = answers
        .iter()
        .flat_map(|answer| judge_one(expected, answer))
        .collect();
    wrong.extend(judge_shares(expected, answers));
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
    differ("body", expected.body.clone(), answer.body.clone());
    if let Some(by) = &expected.by
        && !is_pod_of(&answer.by, by)
    {
        wrong.push(format!("answered by {:?}, not {by:?}", answer.by));
    }
    for (side, wanted, found) in [
        ("request", &expected.sees, &answer.sees),
        ("response", &expected.gets, &answer.gets),
    ] {
        let Some(found) = found else { continue };
        for (name, value) in wanted {
            let have = found.get(&name.to_ascii_lowercase());
            if have != value.as_ref() {
                wrong.push(format!("{side} header {name} {have:?}, not {value:?}"));
            }
        }
    }
    wrong
}

fn judge_shares(expected: &Expectation, answers: &[Answer]) -> Vec<String> {
    let total = answers.len() as f64;
    let mut wrong = Vec::new();
    for (by, share) in &expected.shares {
        let count = answers.iter().filter(|answer| is_pod_of(&answer.by, by));
        let found = count.count() as f64 / total;
        let allowed = DEVIATIONS * (share * (1.0 - share) / total).sqrt();
        if (found - share).abs() > allowed {
            wrong.push(format!("{by} answered {found:.3} of all, not {share}"));
        }
    }
    wrong
}

/// Whether `pod` belongs to the deployment: its name is the deployment's and a suffix.
fn is_pod_of(pod: &str, deployment: &str) -> bool {
    pod.strip_prefix(deployment)
        .is_some_and(|rest| rest.starts_with('-'))
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
        let answers = |v1: usize| -> Vec<Answer> {
            let pod = |at| if at < v1 { "echo-v1-a" } else { "echo-v2-a" };
            let answer = |at| Answer {
                by: pod(at).to_owned(),
                ..Answer::default()
            };
            (0..100).map(answer).collect()
        };
        assert!(judge(&expected, &answers(90)).is_empty());
        assert!(judge(&expected, &answers(82)).is_empty());
        assert!(!judge(&expected, &answers(50)).is_empty());
    }
}
