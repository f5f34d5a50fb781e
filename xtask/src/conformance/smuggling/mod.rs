//! Set `smuggling`: requests that two readers could understand differently, through our proxy to
//! three backends.
//!
//! Each is followed by a normal request in the same packet, and then by one of another client that
//! gets the same connection to the backend. What is refused must be refused with one answer and a
//! closed connection; what is served must get one answer, and the requests behind it their own.

mod backends;

use std::fs;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use super::Case;
use super::http1::bootstrap::pooled;
use super::http1::message::{self, Message, bytes};
use super::proxy::Proxy;

/// How long an answer may take; long enough for a machine with other work.
const PATIENCE: Duration = Duration::from_secs(5);
/// What no backend may ever be asked for.
const SMUGGLED: &str = "smuggled";
/// The usual body: the end of a chunked one, and the beginning of a request that would take the line
/// of the next for a field of its own.
const BODY: &str = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: shop\r\nX-Ignore: ";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    name: String,
    fields: Option<String>,
    body: Option<String>,
    raw: Option<String>,
}

impl Attack {
    fn bytes(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return bytes(raw);
        }
        let body = bytes(self.body.as_deref().unwrap_or(BODY));
        let fields = self.fields.as_deref().unwrap_or_default();
        let fields = fields.replace("{length}", &body.len().to_string());
        let head = format!("POST /attack HTTP/1.1\r\nHost: shop\r\n{fields}\r\n");
        [bytes(&head), body].concat()
    }

    fn method(&self) -> String {
        message::text(&self.bytes())
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

pub fn run(folder: &Path) -> anyhow::Result<Vec<Case>> {
    let file = folder.join("table.yaml");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let attacks: Vec<Attack> = serde_yaml_ng::from_str(&text)?;
    let backends = backends::start(folder)?;
    let endpoints: Vec<_> = backends.iter().map(|one| (one.name, one.address)).collect();
    let proxy = Proxy::ours(pooled(&endpoints))?;
    let mut cases = Vec::new();
    let (mut served, mut refused) = (0, 0);
    for backend in &backends {
        let listener = proxy.listeners.get(backend.name);
        let address = *listener.context("a listener for each backend")?;
        for (number, attack) in attacks.iter().enumerate() {
            let outcome = attempt(attack, number, address);
            served += usize::from(matches!(outcome, Ok(Outcome::Served)));
            refused += usize::from(matches!(outcome, Ok(Outcome::Refused)));
            cases.push(Case {
                name: format!("{} to {}", attack.name, backend.name),
                differences: outcome.err().into_iter().collect(),
            });
        }
    }
    println!(
        "smuggling: {} requests to {} backends: {served} served safely, {refused} refused",
        attacks.len(),
        backends.len()
    );
    Ok(cases)
}

enum Outcome {
    Served,
    Refused,
}

fn attempt(attack: &Attack, number: usize, address: SocketAddr) -> Result<Outcome, String> {
    let follow = format!("/follow-{number}");
    let behind = format!("GET {follow} HTTP/1.1\r\nHost: shop\r\n\r\n");
    let sent = [attack.bytes(), behind.into_bytes()].concat();
    let answers = talk(address, &sent, &attack.method(), &follow);
    let answers = answers.map_err(|error| format!("no conversation: {error}"))?;
    let outcome = judge(&answers, &follow)?;
    // Another client, on the connection to the backend that is left.
    let after = format!("/after-{number}");
    let request = format!("GET {after} HTTP/1.1\r\nHost: shop\r\n\r\n");
    let answers = talk(address, request.as_bytes(), "GET", &after);
    let answers = answers.map_err(|error| format!("nothing for the next client: {error}"))?;
    match &answers[..] {
        [answer] if message::text(&answer.body) == after => Ok(outcome),
        other => Err(format!("the next client got {}", shown(other))),
    }
}

/// Sends and reads answers, up to that of the last request or the end of the connection.
fn talk(address: SocketAddr, sent: &[u8], method: &str, last: &str) -> io::Result<Vec<Message>> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    // A proxy that refuses may close before all was sent; its answer tells.
    let _ = reader.get_mut().write_all(sent);
    let mut answers: Vec<Message> = Vec::new();
    loop {
        let method = if answers.is_empty() { method } else { "GET" };
        match message::read_from(&mut reader, method) {
            Ok(Some(answer)) if answer.status() / 100 == 1 => {}
            Ok(Some(answer)) => {
                let ends = !answer.complete || message::text(&answer.body) == last;
                answers.push(answer);
                if ends {
                    return Ok(answers);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            Ok(None) | Err(_) => return Ok(answers),
        }
    }
}

fn judge(answers: &[Message], follow: &str) -> Result<Outcome, String> {
    let body = |answer: &Message| message::text(&answer.body);
    if answers.iter().any(|answer| body(answer).contains(SMUGGLED)) {
        return Err(format!("the hidden request was served: {}", shown(answers)));
    }
    match answers {
        [] => Ok(Outcome::Refused),
        [only] if only.status() >= 400 => Ok(Outcome::Refused),
        [only] if body(only) != follow => Ok(Outcome::Served),
        [first, second] if body(first) != follow && body(second) == follow => Ok(Outcome::Served),
        other => Err(format!("answers that do not fit: {}", shown(other))),
    }
}

fn shown(answers: &[Message]) -> String {
    let each = answers.iter().map(|answer| {
        let body: String = message::text(&answer.body).chars().take(80).collect();
        format!("{} {body:?}", answer.line)
    });
    each.collect::<Vec<_>>().join(", ")
}
