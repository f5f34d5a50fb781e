//! The admin interface, with Envoy's paths and forms.
//!
//! In: HTTP requests on the control runtime. Out: what the proxy knows about itself. Nothing here is
//! on the path of traffic.

mod certs;
mod clusters;
mod config_dump;
mod control;
mod listeners;
mod server_info;
mod stats;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::proxy::ProxyHandle;

const TEXT: &str = "text/plain; charset=UTF-8";
const JSON: &str = "application/json";

/// Every path of the interface, for the index page.
const PATHS: [(&str, &str); 17] = [
    ("/certs", "certificates in use"),
    ("/clusters", "clusters and their endpoints (?format=json)"),
    (
        "/config_dump",
        "accepted config (?include_eds, ?resource=, ?mask=, ?name_regex=)",
    ),
    (
        "/drain_listeners",
        "POST: announce the end on all connections",
    ),
    ("/healthcheck/fail", "POST: call the proxy not ready"),
    ("/healthcheck/ok", "POST: call the proxy ready again"),
    ("/help", "this page"),
    ("/hot_restart_version", "whether hot restart is possible"),
    ("/listeners", "listeners and their addresses (?format=json)"),
    (
        "/logging",
        "POST: show or change the log's levels (?level=, ?paths=)",
    ),
    ("/memory", "memory in use"),
    ("/quitquitquit", "POST: end the process"),
    ("/ready", "the state, as text and status"),
    ("/reset_counters", "POST: set all counters to zero"),
    ("/server_info", "version, state, node"),
    (
        "/stats",
        "numbers (?usedonly, ?filter=, ?format=json|prometheus)",
    ),
    ("/stats/prometheus", "numbers for Prometheus"),
];

/// All paths.
pub(crate) fn router(proxy: ProxyHandle) -> Router {
    Router::new()
        .route("/", get(help))
        .route("/help", get(help))
        .route("/ready", get(server_info::ready))
        .route("/server_info", get(server_info::server_info))
        .route("/memory", get(server_info::memory))
        .route(
            "/hot_restart_version",
            get(server_info::hot_restart_version),
        )
        .route("/config_dump", get(config_dump::config_dump))
        .route("/clusters", get(clusters::clusters))
        .route("/listeners", get(listeners::listeners))
        .route("/stats", get(stats::stats))
        .route("/stats/prometheus", get(stats::prometheus))
        .route("/certs", get(certs::certs))
        .route("/logging", post(control::logging))
        .route("/quitquitquit", post(control::quit))
        .route("/reset_counters", post(control::reset_counters))
        .route("/drain_listeners", post(control::drain_listeners))
        .route("/healthcheck/fail", post(control::health_fail))
        .route("/healthcheck/ok", post(control::health_ok))
        .with_state(proxy)
}

async fn help() -> Response {
    let lines = PATHS
        .iter()
        .map(|(path, what)| format!("  {path}: {what}\n"));
    text(format!(
        "admin commands are:\n{}",
        lines.collect::<String>()
    ))
}

/// All numbers in Prometheus' text form.
pub(crate) fn prometheus(proxy: &ProxyHandle) -> String {
    stats::prometheus_text(proxy)
}

fn text(body: String) -> Response {
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static(TEXT))],
        body,
    )
        .into_response()
}

fn json(body: &serde_json::Value) -> Response {
    // Envoy indents by one space; so do we, since people read these pages.
    let mut body = serde_json::to_string_pretty(body).unwrap_or_default();
    body.push('\n');
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static(JSON))],
        body,
    )
        .into_response()
}

fn bad_request(reason: String) -> Response {
    (StatusCode::BAD_REQUEST, reason).into_response()
}
