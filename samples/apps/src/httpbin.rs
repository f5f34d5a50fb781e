//! Answers with what it was asked, as httpbin does.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use crate::fake_service::title_case;
use crate::server::{self, Answer, Call};

/// Settings of the echo.
#[derive(clap::Args)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:8000")]
    listen: String,
}

/// The longest delay that may be asked for.
const LONGEST_DELAY: f64 = 60.0;

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    server::serve(&settings.listen, answer).await
}

async fn answer(call: Call) -> Answer {
    let host = server::host_of(&call.request);
    let peer = call.peer.ip().to_string();
    let (parts, body) = call.request.into_parts();
    let path = parts.uri.path().to_owned();
    let mut headers = header_object(&parts.headers);
    headers.entry("Host").or_insert_with(|| json!(host));
    let origin = parts
        .headers
        .get("x-forwarded-for")
        .and_then(|value| value.to_str().ok())
        .unwrap_or(&peer)
        .to_owned();
    let (first, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    match first {
        "headers" => json_reply(&json!({"headers": headers})),
        "ip" => json_reply(&json!({"origin": origin})),
        "status" => status(rest),
        "delay" => {
            let seconds = rest.parse::<f64>().unwrap_or(0.0).clamp(0.0, LONGEST_DELAY);
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            json_reply(&json!({"url": format!("http://{host}{}", parts.uri), "headers": headers}))
        }
        "get" | "post" | "put" | "patch" | "delete" | "anything" => {
            let data = server::read_body(body).await;
            let text = String::from_utf8_lossy(&data);
            json_reply(&json!({
                "args": arguments(parts.uri.query()),
                "data": text,
                "json": serde_json::from_str::<Value>(&text).ok(),
                "headers": headers,
                "method": parts.method.as_str(),
                "origin": origin,
                "url": format!("http://{host}{}", parts.uri),
            }))
        }
        _ => server::reply(StatusCode::NOT_FOUND, "text/html", "<h1>Not Found</h1>\n"),
    }
}

fn status(code: &str) -> Answer {
    match code
        .parse()
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok())
    {
        Some(status) => server::reply(status, "text/html; charset=utf-8", ""),
        None => server::reply(StatusCode::BAD_REQUEST, "text/plain", "Invalid status code"),
    }
}

fn header_object(headers: &HeaderMap) -> Map<String, Value> {
    headers
        .keys()
        .map(|name| {
            let values: Vec<&str> = headers
                .get_all(name)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .collect();
            (title_case(name.as_str()), json!(values.join(",")))
        })
        .collect()
}

fn arguments(query: Option<&str>) -> Map<String, Value> {
    query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key.to_owned(), json!(value))
        })
        .collect()
}

fn json_reply(value: &Value) -> Answer {
    let text = serde_json::to_string_pretty(value).expect("JSON values always serialise");
    server::reply(StatusCode::OK, "application/json", format!("{text}\n"))
}
