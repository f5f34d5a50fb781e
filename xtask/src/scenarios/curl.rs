//! Requests as `curl` makes them, and its output read back.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::file::Ask;

/// What parts the answers of one program run.
const SEPARATOR: &str = "\u{1e}";

/// The command line that makes all requests of `ask`. Connections go to `gateway` where somebody
/// outside asks. `extra` are further headers.
pub fn words(ask: &Ask, gateway: &str, extra: &[(String, String)]) -> Vec<String> {
    let fixed = ["curl", "-s", "-i", "-k", "--http1.1", "--max-time", "10"];
    let mut words: Vec<String> = fixed.map(str::to_owned).to_vec();
    let mut add = |parts: [&str; 2]| words.extend(parts.map(str::to_owned));
    add(["--path-as-is", "-X"]);
    add([&ask.method, "-w"]);
    add([SEPARATOR, "--globoff"]);
    for (name, value) in ask.headers.iter().chain(extra.iter().map(|(n, v)| (n, v))) {
        add(["-H", &format!("{name}: {value}")]);
    }
    let usual = if ask.url.starts_with("https:") {
        "443"
    } else {
        "80"
    };
    let port = ask.to.as_deref().and_then(|to| to.rsplit_once(':'));
    let port = port.map_or(usual, |(_, port)| port);
    match &ask.to {
        _ if ask.from == "gateway" => add(["--connect-to", &format!("::{gateway}:{port}")]),
        Some(to) => add(["--connect-to", &format!("::{to}")]),
        None => {}
    }
    words.extend(std::iter::repeat_n(ask.url.clone(), ask.times as usize));
    words
}

/// The answers to `times` requests in what curl printed.
pub fn read_answers(text: &str, times: u32) -> Vec<Answer> {
    let answers: Vec<Answer> = text
        .split(SEPARATOR)
        .filter(|part| !part.trim().is_empty())
        .map(read_answer)
        .collect();
    if answers.len() == times as usize {
        return answers;
    }
    // A connection that was closed without an answer.
    vec![Answer {
        status: Some(0),
        ..Answer::default()
    }]
}

/// Reads an HTTP answer with its head, as curl prints it, and the head that the echo repeats.
fn read_answer(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut answer = Answer {
        status,
        gets: Some(headers(head.lines().skip(1))),
        ..Answer::default()
    };
    let Some(hostname) = body.strip_prefix("Hostname: ") else {
        answer.body = Some(body.to_owned());
        return answer;
    };
    hostname
        .lines()
        .next()
        .unwrap_or_default()
        .clone_into(&mut answer.by);
    let seen: Vec<&str> = body.lines().collect();
    let request = seen.iter().position(|line| line.contains(" HTTP/"));
    if let Some(at) = request {
        answer.path = seen[at].split(' ').nth(1).map(str::to_owned);
        let sees = headers(seen[at + 1..].iter().copied());
        answer.host = sees.get("host").cloned();
        answer.sees = Some(sees);
    }
    answer
}

fn headers<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        found
            .entry(name.to_ascii_lowercase())
            .and_modify(|all| {
                all.push(',');
                all.push_str(value.trim());
            })
            .or_insert_with(|| value.trim().to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_echo_is_told_from_one_of_the_proxy() {
        let text = "HTTP/1.1 200 OK\r\nx-a: 1\r\nx-a: 2\r\n\r\nHostname: echo-v1-0\nIP: 10.0.0.1\n\
                    GET /a?b=1 HTTP/1.1\nHost: shop\nX-C: 3\n\u{1e}\
                    HTTP/1.1 503 Service Unavailable\r\nserver: envoy\r\n\r\nno\u{1e}";
        let answers = read_answers(text, 2);
        assert_eq!(answers[0].by, "echo-v1-0");
        assert_eq!(answers[0].path.as_deref(), Some("/a?b=1"));
        assert_eq!(answers[0].host.as_deref(), Some("shop"));
        let gets = answers[0].gets.as_ref().expect("headers");
        assert_eq!(gets["x-a"], "1,2");
        assert_eq!(answers[1].status, Some(503));
        assert_eq!(answers[1].body.as_deref(), Some("no"));
        assert_eq!(read_answers(text, 3)[0].status, Some(0));
    }
}
