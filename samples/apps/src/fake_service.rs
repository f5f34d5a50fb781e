//! A service that answers with a JSON report of itself and of the upstreams that it called, with
//! delays and errors on demand. It behaves like the original's early versions: `upstream_calls` is
//! a list, and an error rate r fires on every int(1/r)-th call (`--error-mode exact`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::client::Client;
use crate::server::{self, Answer, Call};

/// Settings of the service; the names of the environment are the original's.
#[derive(clap::Args, Clone)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:9090")]
    listen: String,
    /// The protocol to serve; this stand-in serves http.
    #[arg(long, env = "SERVER_TYPE", default_value = "http", value_parser = ["http"])]
    server_type: String,
    /// The name in the report.
    #[arg(long, env = "NAME", default_value = "Service")]
    name: String,
    /// The body in the report; JSON if it starts with `{`.
    #[arg(long, env = "MESSAGE", default_value = "Hello World")]
    message: String,
    /// Upstreams to call, separated by commas.
    #[arg(long, env = "UPSTREAM_URIS", default_value = "")]
    upstream_uris: String,
    /// How many upstreams are called at a time.
    #[arg(long, env = "UPSTREAM_WORKERS", default_value_t = 1)]
    upstream_workers: usize,
    /// `true`: keep connections, to upstreams and from clients.
    #[arg(long, env = "HTTP_CLIENT_KEEP_ALIVES", default_value = "false")]
    keep_alives: String,
    /// Give an upstream call up after this long.
    #[arg(long, env = "HTTP_CLIENT_REQUEST_TIMEOUT", default_value = "30s")]
    request_timeout: String,
    /// `true`: append path and headers of the incoming request.
    #[arg(long, env = "HTTP_CLIENT_APPEND_REQUEST", default_value = "true")]
    append_request: String,
    /// How long half of the answers take.
    #[arg(long, env = "TIMING_50_PERCENTILE", default_value = "0s")]
    timing_50: String,
    /// How long 90 of 100 answers take at most.
    #[arg(long, env = "TIMING_90_PERCENTILE", default_value = "")]
    timing_90: String,
    /// How long 99 of 100 answers take at most.
    #[arg(long, env = "TIMING_99_PERCENTILE", default_value = "")]
    timing_99: String,
    /// By how many per cent the timings vary; what is no whole number counts as 0.
    #[arg(long, env = "TIMING_VARIANCE", default_value = "0")]
    timing_variance: String,
    /// Which part of the calls fails, 0 to 1.
    #[arg(long, env = "ERROR_RATE", default_value_t = 0.0)]
    error_rate: f64,
    /// `http_error` or `delay`.
    #[arg(long, env = "ERROR_TYPE", default_value = "http_error")]
    error_type: String,
    /// The status of a failed call.
    #[arg(long, env = "ERROR_CODE", default_value_t = 500)]
    error_code: u16,
    /// How long a call with a delay error takes.
    #[arg(long, env = "ERROR_DELAY", default_value = "0s")]
    error_delay: String,
    /// `exact`: every int(1/rate)-th call fails, as in the original. `random`: each with the rate.
    #[arg(long, env = "ERROR_MODE", default_value = "exact", value_parser = ["exact", "random"])]
    error_mode: String,
    /// Calls a second that are allowed; 0 is no limit.
    #[arg(long, env = "RATE_LIMIT", default_value_t = 0.0)]
    rate_limit: f64,
    /// The status beyond the limit.
    #[arg(long, env = "RATE_LIMIT_CODE", default_value_t = 503)]
    rate_limit_code: u16,
}

struct Service {
    settings: Settings,
    client: Client,
    calls: AtomicU64,
    window: std::sync::Mutex<(Instant, f64)>,
    addresses: Vec<String>,
}

/// When and for what a call began.
struct Began {
    uri: String,
    instant: Instant,
    at: OffsetDateTime,
}

/// What the report says about a call.
struct Outcome<'a> {
    code: u16,
    error: Option<&'a str>,
    body: Option<Value>,
    upstreams: &'a [Value],
}

impl<'a> Outcome<'a> {
    fn error(code: u16, error: &'a str, upstreams: &'a [Value]) -> Self {
        Self {
            code,
            error: Some(error),
            body: None,
            upstreams,
        }
    }
}

/// The outcome of one upstream call.
struct Upstream {
    report: Value,
    failure: Option<String>,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let client = Client::new(settings.keep_alives == "true");
    let service = Arc::new(Service {
        client,
        calls: AtomicU64::new(0),
        window: std::sync::Mutex::new((Instant::now(), 0.0)),
        addresses: own_addresses(),
        settings,
    });
    let listen = service.settings.listen.clone();
    server::serve(&listen, move |call| {
        let service = Arc::clone(&service);
        async move { service.answer(call).await }
    })
    .await
}

impl Service {
    async fn answer(&self, call: Call) -> Answer {
        let began = Began {
            uri: call.request.uri().path().to_owned(),
            instant: Instant::now(),
            at: OffsetDateTime::now_utc(),
        };
        if self.is_over_limit() {
            let code = self.settings.rate_limit_code;
            return self.report(&began, Outcome::error(code, "rate limit exceeded", &[]));
        }
        if self.fails_now() {
            if self.settings.error_type == "delay" {
                tokio::time::sleep(duration(&self.settings.error_delay)).await;
            } else {
                let error = "Service error automatically injected";
                let code = self.settings.error_code;
                return self.report(&began, Outcome::error(code, error, &[]));
            }
        }
        let upstreams = self
            .call_upstreams(&began.uri, call.request.headers())
            .await;
        let reports: Vec<Value> = upstreams.iter().map(|each| each.report.clone()).collect();
        if let Some(error) = upstreams.iter().find_map(|each| each.failure.as_deref()) {
            return self.report(&began, Outcome::error(500, error, &reports));
        }
        let spent = began.instant.elapsed();
        tokio::time::sleep(self.think_time().saturating_sub(spent)).await;
        let body = Some(message(&self.settings.message));
        self.report(
            &began,
            Outcome {
                code: 200,
                error: None,
                body,
                upstreams: &reports,
            },
        )
    }

    fn is_over_limit(&self) -> bool {
        let limit = self.settings.rate_limit;
        if limit <= 0.0 {
            return false;
        }
        let mut window = self.window.lock().expect("no holder panics");
        if window.0.elapsed() >= Duration::from_secs(1) {
            *window = (Instant::now(), 0.0);
        }
        window.1 += 1.0;
        window.1 > limit
    }

    fn fails_now(&self) -> bool {
        let rate = self.settings.error_rate;
        if rate <= 0.0 {
            return false;
        }
        if self.settings.error_mode == "random" {
            return fastrand::f64() < rate;
        }
        let count = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        count.is_multiple_of(((1.0 / rate) as u64).max(1))
    }

    fn think_time(&self) -> Duration {
        let settings = &self.settings;
        let half = duration(&settings.timing_50);
        let or = |text: &str, fallback| {
            if text.is_empty() {
                fallback
            } else {
                duration(text)
            }
        };
        let ninety = or(&settings.timing_90, half);
        let ninety_nine = or(&settings.timing_99, ninety);
        let base = match fastrand::u32(0..100) {
            0..90 => half,
            90..99 => ninety,
            _ => ninety_nine,
        };
        let variance = settings
            .timing_variance
            .parse::<u32>()
            .unwrap_or(0)
            .min(100);
        let spread = base.mul_f64(f64::from(variance) / 100.0);
        base.saturating_sub(spread) + spread.mul_f64(2.0 * fastrand::f64())
    }

    async fn call_upstreams(&self, path: &str, headers: &HeaderMap) -> Vec<Upstream> {
        let urls: Vec<&str> = self
            .settings
            .upstream_uris
            .split(',')
            .map(str::trim)
            .collect();
        let mut outcomes = Vec::new();
        for batch in urls.chunks(self.settings.upstream_workers.max(1)) {
            let calls = batch
                .iter()
                .filter(|url| !url.is_empty())
                .map(|url| self.call_upstream(url, path, headers));
            outcomes.extend(futures_util::future::join_all(calls).await);
        }
        outcomes
    }

    async fn call_upstream(&self, url: &str, path: &str, incoming: &HeaderMap) -> Upstream {
        let append = self.settings.append_request == "true";
        let target = if append && path != "/" {
            format!("{}{path}", url.trim_end_matches('/'))
        } else {
            url.to_owned()
        };
        let mut headers = if append {
            incoming.clone()
        } else {
            HeaderMap::new()
        };
        for own in [
            header::HOST,
            header::CONNECTION,
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
        ] {
            headers.remove(own);
        }
        let fetch = self
            .client
            .fetch(Method::GET, &target, &headers, Bytes::new());
        let limit = duration(&self.settings.request_timeout);
        match tokio::time::timeout(limit, fetch).await {
            Ok(Ok(fetched)) => upstream_answer(&target, &fetched),
            Ok(Err(error)) => no_answer(&target, &error.to_string()),
            Err(_) => no_answer(&target, "timeout"),
        }
    }

    fn report(&self, began: &Began, outcome: Outcome<'_>) -> Answer {
        let Outcome {
            code,
            error,
            body,
            upstreams,
        } = outcome;
        let mut report = Map::new();
        let mut put = |key: &str, value: Value| report.insert(key.to_owned(), value);
        put("name", json!(self.settings.name));
        put("uri", json!(began.uri));
        put("type", json!("HTTP"));
        put("ip_addresses", json!(self.addresses));
        if error.is_none() || !upstreams.is_empty() {
            put("start_time", json!(clock(began.at)));
            put("end_time", json!(clock(OffsetDateTime::now_utc())));
            put("duration", json!(format!("{:?}", began.instant.elapsed())));
        }
        if let Some(body) = body {
            put("body", body);
        }
        if !upstreams.is_empty() {
            put("upstream_calls", json!(upstreams));
        }
        put("code", json!(code));
        if let Some(error) = error {
            put("error", json!(error));
        }
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let text = serde_json::to_string_pretty(&report).expect("reports always serialise");
        let mut response =
            server::response(status, "text/plain; charset=utf-8", format!("{text}\n"));
        if self.settings.keep_alives != "true" {
            let close = http::HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        Answer::Reply(response)
    }
}

fn upstream_answer(url: &str, fetched: &crate::client::Fetched) -> Upstream {
    let code = fetched.status.as_u16();
    let parsed = serde_json::from_slice::<Value>(&fetched.body).ok();
    let is_json = parsed.as_ref().is_some_and(Value::is_object);
    let mut report = parsed.filter(|_| is_json).unwrap_or_else(|| json!({}));
    report["uri"] = json!(url);
    report["code"] = json!(code);
    let headers: Map<String, Value> = fetched
        .headers
        .iter()
        .filter_map(|(name, value)| Some((title_case(name.as_str()), json!(value.to_str().ok()?))))
        .collect();
    report["headers"] = Value::Object(headers);
    if code == 200 {
        return Upstream {
            report,
            failure: None,
        };
    }
    let error = format!("Error processing upstream request: {url}, expected code 200, got {code}");
    report["error"] = json!(error);
    Upstream {
        report,
        failure: Some(error),
    }
}

fn no_answer(url: &str, reason: &str) -> Upstream {
    let error = format!("Error communicating with upstream service: {url}: {reason}");
    Upstream {
        report: json!({"uri": url, "code": -1, "error": error}),
        failure: Some(error),
    }
}

/// `x-request-id` → `X-Request-Id`, as Go writes header names.
pub(crate) fn title_case(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_ascii_uppercase().to_string() + letters.as_str()
        })
    });
    words.collect::<Vec<_>>().join("-")
}

fn message(text: &str) -> Value {
    if text.starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return value;
    }
    json!(text)
}

fn clock(time: OffsetDateTime) -> String {
    time.format(format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]"
    ))
    .unwrap_or_default()
}

/// Go's durations with one unit: `1.5s`, `40ms`, `2m`; anything else is no time at all.
pub(crate) fn duration(text: &str) -> Duration {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Duration::ZERO,
    };
    let amount = number.parse::<f64>().unwrap_or(0.0) * seconds;
    Duration::try_from_secs_f64(amount).unwrap_or_default()
}

/// The address that packets of this machine (or pod) come from.
pub(crate) fn own_addresses() -> Vec<String> {
    if let Ok(address) = std::env::var("POD_IP") {
        return vec![address];
    }
    // Connecting a datagram socket sends nothing; it only chooses the source address. The address
    // is one set aside for documentation.
    let chosen = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket
            .connect("192.0.2.1:9")
            .and_then(|()| socket.local_addr())
    });
    chosen
        .map(|address: SocketAddr| vec![address.ip().to_string()])
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(duration("150ms"), Duration::from_millis(150));
        assert_eq!(duration("1.5s"), Duration::from_millis(1500));
        assert_eq!(duration("nonsense"), Duration::ZERO);
        assert_eq!(duration("10"), Duration::ZERO);
    }

    #[test]
    fn header_names_are_title_cased() {
        assert_eq!(title_case("x-request-id"), "X-Request-Id");
        assert_eq!(title_case("host"), "Host");
    }
}
