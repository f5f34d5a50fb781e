//! `/stats` and `/stats/prometheus`.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use regex::Regex;

use super::{bad_request, json, text};
use crate::cluster::Resource;
use crate::proxy::{ProxyHandle, ServerState};
use crate::stats::render::{self, Selection};
use crate::stats::{Sample, Value};

pub(super) async fn stats(
    State(proxy): State<ProxyHandle>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let samples = match selected(&proxy, &query) {
        Ok(samples) => samples,
        Err(reason) => return bad_request(reason),
    };
    match query.get("format").map(String::as_str) {
        Some("json") => json(&render::json(&samples)),
        Some("prometheus") => prometheus_page(&samples),
        _ => text(render::text(&samples)),
    }
}

pub(super) async fn prometheus(
    State(proxy): State<ProxyHandle>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    match selected(&proxy, &query) {
        Ok(samples) => prometheus_page(&samples),
        Err(reason) => bad_request(reason),
    }
}

/// The whole page.
pub(super) fn prometheus_text(proxy: &ProxyHandle) -> String {
    let samples = selected(proxy, &HashMap::new()).unwrap_or_default();
    render::prometheus(&samples)
}

fn prometheus_page(samples: &[Sample]) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], render::prometheus(samples)).into_response()
}

fn selected(proxy: &ProxyHandle, query: &HashMap<String, String>) -> Result<Vec<Sample>, String> {
    let filter = match query.get("filter") {
        Some(pattern) => Some(Regex::new(pattern).map_err(|error| format!("filter: {error}\n"))?),
        None => None,
    };
    let selection = Selection {
        used_only: query.contains_key("usedonly"),
        filter,
    };
    let mut samples = server_samples(proxy);
    // What the server says about itself is always used.
    samples.retain(|sample| {
        selection
            .filter
            .as_ref()
            .is_none_or(|f| f.is_match(&sample.name))
    });
    let counted = proxy.stats().samples();
    samples.extend(
        breaker_samples(proxy)
            .into_iter()
            .filter(|sample| selection.wants(sample)),
    );
    samples.extend(counted.into_iter().filter(|sample| selection.wants(sample)));
    samples.extend(
        listing_samples(proxy)
            .into_iter()
            .filter(|s| selection.wants(s)),
    );
    Ok(samples)
}

fn server_samples(proxy: &ProxyHandle) -> Vec<Sample> {
    let shared = &proxy.shared;
    let state = match proxy.state() {
        ServerState::Live => 0,
        ServerState::Draining => 1,
        ServerState::PreInitializing => 2,
        ServerState::Initializing => 3,
    };
    let gauge = |name: &str, value: u64| Sample {
        name: name.to_owned(),
        value: Value::Gauge(value),
    };
    vec![
        gauge("server.state", state),
        gauge("server.live", u64::from(state == 0)),
        gauge("server.uptime", shared.started.elapsed().as_secs()),
        gauge("server.concurrency", shared.concurrency as u64),
        gauge(
            "server.memory_allocated",
            ferromesh_net::resident_bytes().unwrap_or(0),
        ),
    ]
}

/// Which circuit breakers are open, and what is left where that is asked for.
fn breaker_samples(proxy: &ProxyHandle) -> Vec<Sample> {
    let config = proxy.config().current();
    let mut samples = Vec::new();
    for cluster in config.clusters.values() {
        let breakers = &cluster.circuit_breakers;
        for (priority, limits) in [("default", &breakers.default), ("high", &breakers.high)] {
            let name = &cluster.observability_name;
            let prefix = format!("cluster.{name}.circuit_breakers.{priority}");
            for (short, resource) in [
                ("cx", Resource::Connections),
                ("rq_pending", Resource::PendingRequests),
                ("rq", Resource::Requests),
                ("rq_retry", Resource::Retries),
            ] {
                let (used, most) = (limits.limit(resource).used(), limits.maximum(resource));
                let gauge = |name, value| Sample {
                    name,
                    value: Value::Gauge(value),
                };
                let open = u64::from(used >= most);
                samples.push(gauge(format!("{prefix}.{short}_open"), open));
                if limits.tracks_remaining() {
                    let short = short.trim_start_matches("rq_");
                    let short = if short == "retry" { "retries" } else { short };
                    let left = u64::from(most.saturating_sub(used));
                    samples.push(gauge(format!("{prefix}.remaining_{short}"), left));
                }
            }
        }
    }
    samples
}

fn listing_samples(proxy: &ProxyHandle) -> Vec<Sample> {
    let config = proxy.config().current();
    let live = crate::proxy::lock(&proxy.shared.live);
    let gauge = |name: &str, value: usize| Sample {
        name: name.to_owned(),
        value: Value::Gauge(value as u64),
    };
    let warming_clusters = live
        .clusters()
        .values()
        .filter(|slot| slot.warming.is_some());
    let warming_listeners = live
        .listeners()
        .values()
        .filter(|slot| slot.warming.is_some());
    vec![
        gauge("cluster_manager.active_clusters", config.clusters.len()),
        gauge("cluster_manager.warming_clusters", warming_clusters.count()),
        gauge(
            "listener_manager.total_listeners_active",
            config.listeners.len(),
        ),
        gauge(
            "listener_manager.total_listeners_warming",
            warming_listeners.count(),
        ),
    ]
}
