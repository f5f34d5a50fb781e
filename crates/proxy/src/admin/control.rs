//! Paths that change something: log levels, drain, health, counters, the end.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use axum::extract::{Query, State};
use axum::response::Response;

use super::{bad_request, text};
use crate::proxy::ProxyHandle;

pub(super) async fn logging(
    State(proxy): State<ProxyHandle>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let Some(log) = &proxy.shared.settings.log else {
        return bad_request("the levels of this process's log cannot be changed\n".to_owned());
    };
    let filter = new_filter(&log.filter(), &query);
    if let Some(filter) = filter
        && let Err(error) = log.set_filter(&filter)
    {
        return bad_request(format!("{error}\n"));
    }
    text(listing(&log.filter()))
}

/// `level=debug` for everything, `paths=a:debug,b:info` or `name=level` for single targets.
fn new_filter(current: &str, query: &HashMap<String, String>) -> Option<String> {
    let level = |name: &str| match name {
        "warning" => "warn".to_owned(),
        "critical" => "error".to_owned(),
        other => other.to_owned(),
    };
    if let Some(wanted) = query.get("level") {
        return Some(level(wanted));
    }
    let pairs: Vec<String> = match query.get("paths") {
        Some(paths) => paths
            .split(',')
            .filter_map(|pair| pair.split_once(':'))
            .map(|(target, wanted)| format!("{target}={}", level(wanted)))
            .collect(),
        None => query
            .iter()
            .map(|(target, wanted)| format!("{target}={}", level(wanted)))
            .collect(),
    };
    if pairs.is_empty() {
        return None;
    }
    Some(format!("{current},{}", pairs.join(",")))
}

fn listing(filter: &str) -> String {
    let lines = filter
        .split(',')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (target, level) = part.split_once('=').unwrap_or(("default", part));
            format!("  {target}: {level}\n")
        });
    format!("active loggers:\n{}", lines.collect::<String>())
}

pub(super) async fn quit(State(proxy): State<ProxyHandle>) -> Response {
    proxy.shared.quit.notify_one();
    text("OK\n".to_owned())
}

pub(super) async fn reset_counters(State(proxy): State<ProxyHandle>) -> Response {
    proxy.stats().reset_counters();
    text("OK\n".to_owned())
}

pub(super) async fn drain_listeners(
    State(proxy): State<ProxyHandle>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    proxy.begin_drain();
    if !query.contains_key("graceful") {
        proxy.stop_listening();
    }
    text("OK\n".to_owned())
}

pub(super) async fn health_fail(State(proxy): State<ProxyHandle>) -> Response {
    proxy.shared.health_failed.store(true, Ordering::Relaxed);
    text("OK\n".to_owned())
}

pub(super) async fn health_ok(State(proxy): State<ProxyHandle>) -> Response {
    proxy.shared.health_failed.store(false, Ordering::Relaxed);
    text("OK\n".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_in_all_forms_of_envoy() {
        let query = |pairs: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            pairs.iter().map(owned).collect::<HashMap<_, _>>()
        };
        let filter = |pairs| new_filter("info", &query(pairs));
        assert_eq!(filter(&[("level", "warning")]).as_deref(), Some("warn"));
        assert_eq!(
            filter(&[("paths", "http:debug,pool:critical")]).as_deref(),
            Some("info,http=debug,pool=error")
        );
        assert_eq!(
            filter(&[("http", "trace")]).as_deref(),
            Some("info,http=trace")
        );
        assert_eq!(filter(&[]), None);
    }
}
