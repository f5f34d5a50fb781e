//! The peer of scenarios: says who it is and what it was asked, as `whoami` does. Beyond that it
//! fails or waits on demand, and remembers what it received, for those who ask in its own pod.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode};
use serde::Serialize;

use crate::server::{self, Answer, Call, Entrance};
use crate::whoami;

/// Where it tells what it received since it was asked last.
const RECEIVED: &str = "/.received";

/// How many requests it remembers: more than one scenario makes.
const MEMORY: usize = 1000;

/// Settings of the service.
#[derive(clap::Args)]
pub(crate) struct Settings {
    /// Where to listen; several, separated by commas.
    #[arg(
        long,
        env = "LISTEN_ADDR",
        value_delimiter = ',',
        default_value = "0.0.0.0:80"
    )]
    listen: Vec<String>,
    /// Where to listen for TLS, with a certificate that nobody signed.
    #[arg(long, env = "TLS_ADDR")]
    tls: Option<String>,
    /// The host name in the answer.
    #[arg(long, env = "HOSTNAME", default_value = "unknown")]
    hostname: String,
    /// The status of answers to requests that ask for none.
    #[arg(long, env = "ECHO_STATUS", default_value_t = 200)]
    status: u16,
    /// Milliseconds before answers to requests that ask for none.
    #[arg(long, env = "ECHO_DELAY_MS", default_value_t = 0)]
    delay_ms: u64,
}

/// A request that came.
#[derive(Serialize)]
struct Received {
    method: String,
    path: String,
    host: String,
    headers: BTreeMap<String, String>,
}

/// What the query of a request asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    /// `status`: of the answer.
    status: u16,
    /// `delay`: milliseconds before it.
    delay_ms: u64,
    /// `failures`: how many tries of one request get 503, by the count that proxies send along.
    failures: u32,
    /// `drop`: no answer at all.
    drop: bool,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let mut entrances = Vec::new();
    for address in &settings.listen {
        entrances.push(Entrance::plain(address).await?);
    }
    if let Some(address) = &settings.tls {
        entrances.push(Entrance::tls(address, &settings.hostname).await?);
    }
    let settings = Arc::new(settings);
    let memory = Arc::new(Mutex::new(VecDeque::new()));
    server::serve_all(entrances, move |call| {
        let (settings, memory) = (Arc::clone(&settings), Arc::clone(&memory));
        async move { answer(&call, &settings, &memory).await }
    })
    .await
}

async fn answer(call: &Call, settings: &Settings, memory: &Mutex<VecDeque<Received>>) -> Answer {
    if call.request.uri().path() == RECEIVED {
        let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<Received> = memory.drain(..).collect();
        let text = serde_json::to_string(&all).unwrap_or_default();
        return server::reply(StatusCode::OK, "application/json", text);
    }
    remember(&call.request, memory);
    let query = call.request.uri().query().unwrap_or_default();
    let wish = Wish::read(query, settings.status, settings.delay_ms);
    if wish.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(wish.delay_ms)).await;
    }
    if wish.drop {
        return Answer::Drop;
    }
    let fails = wish.failures > 0 && attempt(&call.request) <= wish.failures;
    let status = if fails { 503 } else { wish.status };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let text = whoami::text(call, &settings.hostname);
    let mut response = server::response(status, "text/plain; charset=utf-8", text);
    let port = call.local.map_or(0, |local| local.port());
    let headers = response.headers_mut();
    headers.insert("x-echo-port", HeaderValue::from(port));
    if let Some(name) = call
        .server_name
        .as_deref()
        .and_then(|name| name.parse().ok())
    {
        headers.insert("x-echo-server-name", name);
    }
    Answer::Reply(response)
}

/// Which try of a request this is; the first where nobody counts.
fn attempt<B>(request: &Request<B>) -> u32 {
    let count = request.headers().get("x-envoy-attempt-count");
    let count = count.and_then(|count| count.to_str().ok());
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

fn remember(request: &Request<hyper::body::Incoming>, memory: &Mutex<VecDeque<Received>>) {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|all| *all = format!("{all},{value}"))
            .or_insert_with(|| value.into_owned());
    }
    let target = request.uri().path_and_query();
    let received = Received {
        method: request.method().to_string(),
        path: target.map_or_else(String::new, ToString::to_string),
        host: server::host_of(request),
        headers,
    };
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    if memory.len() == MEMORY {
        memory.pop_front();
    }
    memory.push_back(received);
}

impl Wish {
    fn read(query: &str, status: u16, delay_ms: u64) -> Self {
        let mut wish = Self {
            status,
            delay_ms,
            failures: 0,
            drop: false,
        };
        for part in query.split('&') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name {
                "status" => wish.status = value.parse().unwrap_or(status),
                "delay" => wish.delay_ms = value.parse().unwrap_or(delay_ms),
                "failures" => wish.failures = value.parse().unwrap_or(0),
                "drop" => wish.drop = true,
                _ => {}
            }
        }
        wish
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_asks_for_what_settings_leave_open() {
        let wish = Wish::read("status=418&failures=2&x=1", 200, 50);
        let expected = Wish {
            status: 418,
            delay_ms: 50,
            failures: 2,
            drop: false,
        };
        assert_eq!(wish, expected);
        assert!(Wish::read("drop", 200, 0).drop);
        assert_eq!(Wish::read("", 503, 0).status, 503);
    }

    #[test]
    fn tries_are_counted_by_whoever_makes_them() {
        let plain = Request::new(());
        assert_eq!(attempt(&plain), 1);
        let third = Request::builder().header("x-envoy-attempt-count", "3");
        assert_eq!(attempt(&third.body(()).expect("a request")), 3);
    }
}
