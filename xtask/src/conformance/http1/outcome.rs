//! What a row showed of a proxy: against what is required, and against the other proxy.

use super::client::Seen;
use super::message::{self, Message};
use super::row::{After, Expected, Row};

/// Fields whose value is another one each time.
const VOLATILE: [&str; 3] = ["date", "x-envoy-upstream-service-time", "x-request-id"];
/// Bytes of a body that are shown.
const SHOWN: usize = 160;

/// Both ends of a row.
pub struct Outcome {
    /// What the client saw; an error when it could not even connect.
    pub seen: Result<Seen, String>,
    /// What the endpoint got.
    pub forwarded: Vec<Message>,
}

impl Outcome {
    /// Everything that can be compared between two proxies, as lines.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match &self.seen {
            Ok(seen) => {
                lines.extend(
                    seen.answers
                        .iter()
                        .map(|answer| format!("← {}", show(answer))),
                );
                lines.push(format!("then {:?}", seen.after));
                if !seen.echoed.is_empty() {
                    lines.push(format!("echo {:?}", message::text(&seen.echoed)));
                }
            }
            Err(error) => lines.push(error.clone()),
        }
        lines.extend(
            self.forwarded
                .iter()
                .map(|request| format!("→ {}", show(request))),
        );
        lines
    }

    /// What is not as the row requires.
    pub fn failures(&self, row: &Row) -> Vec<String> {
        let seen = match &self.seen {
            Ok(seen) => seen,
            Err(error) => return vec![error.clone()],
        };
        let mut list = Vec::new();
        let answers: Vec<Expected> = row
            .answers
            .iter()
            .map(super::row::Answer::expected)
            .collect();
        compare("answer", &answers, &seen.answers, &mut list);
        let requests: Vec<Expected> = row
            .forwarded
            .iter()
            .map(super::row::Forwarded::expected)
            .collect();
        compare("forwarded request", &requests, &self.forwarded, &mut list);
        let wanted = row.after.unwrap_or_else(|| usual_end(&answers));
        if seen.after != wanted {
            list.push(format!(
                "the connection: expected {wanted:?}, found {:?}",
                seen.after
            ));
        }
        let echoed: Vec<u8> = row
            .send
            .list()
            .iter()
            .filter(|piece| matches!(piece, super::row::Piece::Echo { .. }))
            .flat_map(super::row::Piece::bytes)
            .collect();
        if seen.echoed != echoed {
            list.push(format!(
                "the tunnel sent back {:?}",
                message::text(&seen.echoed)
            ));
        }
        list
    }
}

fn usual_end(answers: &[Expected]) -> After {
    match answers.last().map(|answer| answer.status) {
        Some(101) => After::Tunnel,
        Some(status) if status < 400 => After::Open,
        _ => After::Closed,
    }
}

fn compare(what: &str, expected: &[Expected], found: &[Message], list: &mut Vec<String>) {
    if expected.len() != found.len() {
        list.push(format!(
            "{what}s: expected {}, found {}",
            expected.len(),
            found.len()
        ));
    }
    for (number, (expected, found)) in expected.iter().zip(found).enumerate() {
        for failure in fails(expected, found) {
            list.push(format!("{what} {}: {failure}", number + 1));
        }
    }
}

fn fails(expected: &Expected, found: &Message) -> Vec<String> {
    let mut list = Vec::new();
    let target = found.line.rsplit_once(' ').map_or("", |(target, _)| target);
    if !expected.line.is_empty() && expected.line != target {
        list.push(format!("expected {:?}, found {target:?}", expected.line));
    }
    if expected.status != 0 && expected.status != found.status() {
        list.push(format!(
            "expected {}, found {:?}",
            expected.status, found.line
        ));
    }
    let fields: Vec<String> = found.fields.iter().map(joined).collect();
    for field in expected.has.iter().filter(|field| !fields.contains(field)) {
        list.push(format!("has no {field:?}"));
    }
    for name in expected
        .lacks
        .iter()
        .filter(|name| found.field(name).is_some())
    {
        list.push(format!("has a field {name:?}"));
    }
    let body = message::text(&found.body);
    if expected
        .body
        .as_ref()
        .is_some_and(|expected| *expected != body)
    {
        list.push(format!("has the body {}", shortened(&body)));
    }
    let trailers: Vec<String> = found.trailers.iter().map(joined).collect();
    if expected
        .trailers
        .as_ref()
        .is_some_and(|expected| *expected != trailers)
    {
        list.push(format!("has the trailers {trailers:?}"));
    }
    if expected.broken == found.complete {
        let word = if found.complete {
            "comes to an end"
        } else {
            "breaks off"
        };
        list.push(format!("the body {word}"));
    }
    list
}

fn joined((name, value): &(String, String)) -> String {
    format!("{name}: {value}")
}

/// A message on one line, what changes from run to run left out.
fn show(message: &Message) -> String {
    let mut fields: Vec<String> = message
        .fields
        .iter()
        .map(|(name, value)| {
            let volatile = VOLATILE.iter().any(|word| word.eq_ignore_ascii_case(name));
            let value = if volatile { "*" } else { value };
            format!("{name}: {}", shortened(value))
        })
        .collect();
    fields.sort_by_key(|field| field.to_ascii_lowercase());
    let body = shortened(&message::text(&message.body));
    let trailers: Vec<String> = message.trailers.iter().map(joined).collect();
    let broken = if message.complete {
        ""
    } else {
        " (broken off)"
    };
    format!("{} {fields:?} {body:?} {trailers:?}{broken}", message.line)
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start}… ({} bytes)", text.chars().count())
}
