//! What happened to a request besides its answer: who received it, and what the client's proxy
//! wrote to its access log.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Deserialize;

use super::answer::Received;
use super::console::Console;

/// The header that tells the requests of one question from all others.
pub const MARK: &str = "x-scenario";

/// How long a copy, or a line of the access log, may take: a stock Envoy writes its log every second.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// What the echo tells about a request.
#[derive(Deserialize)]
struct Told {
    path: String,
    host: String,
    headers: std::collections::BTreeMap<String, String>,
}

/// Asks the echo in the pod behind `console`, which belongs to `deployment`, for the requests with
/// this mark until there are `wanted`, or patience ends.
pub fn received(
    console: &mut Console,
    deployment: &str,
    mark: &str,
    wanted: usize,
) -> anyhow::Result<Vec<Received>> {
    let began = Instant::now();
    let mut all = Vec::new();
    loop {
        let text = console.run(&["curl", "-sf", "http://127.0.0.1:8080/.received"])?;
        let told: Vec<Told> = serde_json::from_str(&text)
            .with_context(|| format!("{deployment} does not tell what it received"))?;
        let own = told
            .into_iter()
            .filter(|each| each.headers.get(MARK).map(String::as_str) == Some(mark));
        all.extend(own.map(|each| Received {
            by: format!("{deployment}-"),
            path: each.path,
            host: each.host,
            sees: each.headers,
        }));
        if all.len() >= wanted || began.elapsed() > PATIENCE {
            return Ok(all);
        }
        pause();
    }
}

/// Reads the response flags of the lines with `mark` as user agent, of which there must be
/// `wanted`, out of an access log in the default format.
pub fn flags(
    mut log: impl FnMut() -> anyhow::Result<String>,
    mark: &str,
    wanted: usize,
) -> anyhow::Result<Vec<String>> {
    let began = Instant::now();
    let quoted = format!("\"{mark}\"");
    loop {
        let text = log()?;
        let lines = text.lines().filter(|line| line.contains(&quoted));
        let found: Vec<String> = lines.filter_map(flags_of).collect();
        if found.len() >= wanted || began.elapsed() > PATIENCE {
            return Ok(found);
        }
        pause();
    }
}

/// Nobody tells when another process has written its log or received a copy: it is looked for again.
#[allow(clippy::disallowed_methods)]
pub fn pause() {
    thread::sleep(PAUSE);
}

/// `[time] "GET / HTTP/1.1" 503 UH no_healthy_upstream …`
fn flags_of(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('"')?;
    let (_, rest) = rest.split_once("\" ")?;
    rest.split(' ').nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_follow_the_status() {
        let log = "[2026-01-01T00:00:00.000Z] \"GET /a HTTP/1.1\" 503 UH no_healthy_upstream - \"-\" \
                   0 19 0 - \"-\" \"scenario-7\" \"id\" \"echo\" \"-\" - - 10.0.0.1:80\n\
                   [2026-01-01T00:00:00.000Z] \"GET /a HTTP/1.1\" 200 - via_upstream - \"-\" \
                   0 19 0 - \"-\" \"scenario-8\" \"id\" \"echo\" \"-\" - - 10.0.0.1:80\n";
        let read = |mark: &str| flags(|| Ok(log.to_owned()), mark, 1).expect("flags");
        assert_eq!(read("scenario-7"), ["UH"]);
        assert_eq!(read("scenario-8"), ["-"]);
    }
}
