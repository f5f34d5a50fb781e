//! What was seen in one row, as places and values that can be compared.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::{Received, pass};
use super::message::Message;

/// How long a log line may take after the client has seen its answer.
const LOG_PATIENCE: Duration = Duration::from_secs(3);

/// What was seen, raw.
pub struct Seen {
    /// By the client.
    pub answers: Received,
    /// By the endpoint.
    pub requests: Vec<Message>,
    /// By the access log.
    pub log: Vec<String>,
}

/// Places and what they show.
#[derive(Debug, Default)]
pub struct Observation {
    /// As `client[0].header.server` to `envoy`.
    pub places: BTreeMap<String, String>,
}

impl Observation {
    /// Makes what was seen comparable; `names` stand for what differs from run to run.
    pub fn new(seen: &Seen, names: &[(String, &'static str)]) -> Self {
        let mut made = Self::default();
        made.messages("client", &seen.answers.answers);
        made.messages("client.interim", &seen.answers.interim);
        made.put("client.complete", seen.answers.complete.to_string());
        made.put("client.rest", seen.answers.rest.clone());
        made.put("client.end", seen.answers.end.to_owned());
        made.messages("upstream", &seen.requests);
        made.put("upstream.requests", seen.requests.len().to_string());
        made.put("client.answers", seen.answers.answers.len().to_string());
        made.put("log.lines", seen.log.len().to_string());
        for (index, line) in seen.log.iter().enumerate() {
            match serde_json::from_str(line) {
                Ok(Value::Object(fields)) => {
                    for (key, value) in fields {
                        let mut text = value.as_str().map_or(value.to_string(), str::to_owned);
                        if key.starts_with("any") && !matches!(text.as_str(), "-" | "null" | "") {
                            "something".clone_into(&mut text);
                        }
                        made.put(&format!("log[{index}].{key}"), text);
                    }
                }
                _ => made.put(&format!("log[{index}]"), line.clone()),
            }
        }
        for value in made.places.values_mut() {
            for (text, name) in names {
                *value = value.replace(text, name);
            }
        }
        made
    }

    fn put(&mut self, place: &str, value: String) {
        self.places.insert(place.to_owned(), value);
    }

    fn messages(&mut self, side: &str, messages: &[Message]) {
        for (index, message) in messages.iter().enumerate() {
            self.put(&format!("{side}[{index}].line"), message.line.clone());
            self.put(&format!("{side}[{index}].body"), message.body.clone());
            for (name, value) in &message.fields {
                let value = match without_chance(name, value) {
                    // What is left of a timeout in another try.
                    left if index > 0 && name == "x-envoy-expected-rq-timeout-ms" => {
                        let left = left.parse().unwrap_or(0);
                        format!("up to {} s", u64::div_ceil(left, 1000))
                    }
                    value => value,
                };
                let place = format!("{side}[{index}].{name}");
                let all = self.places.entry(place).or_default();
                if !all.is_empty() {
                    *all += " | ";
                }
                *all += &value;
            }
        }
    }
}

impl std::fmt::Display for Observation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, value) in &self.places {
            writeln!(f, "{place} = {value}")?;
        }
        Ok(())
    }
}

/// Takes out of a field's value what is never the same twice.
fn without_chance(name: &str, value: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "date" => "DATE".to_owned(),
        "x-envoy-upstream-service-time" => "MILLISECONDS".to_owned(),
        "x-request-id" if value.len() == 36 && value.matches('-').count() == 4 => {
            // The place in which Envoy keeps whether the request is traced.
            format!("UUID with {}", &value[14..15])
        }
        _ => value.to_owned(),
    }
}

/// The lines of the log, once there are as many as expected.
pub fn read_log(path: &Path, lines: usize) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let found: Vec<String> = text.lines().map(str::to_owned).collect();
        if (lines > 0 && found.len() >= lines) || begun.elapsed() > LOG_PATIENCE {
            return found;
        }
        pass(Duration::from_millis(20));
    }
}
