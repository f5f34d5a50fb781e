//! `/clusters`, as text and as JSON.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Query, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::listeners::address_json;
use super::{json as json_page, text};
use crate::cluster::{Endpoint, EndpointCounters, Resource, Thresholds};
use crate::compiled::Cluster;
use crate::proxy::ProxyHandle;

pub(super) async fn clusters(
    State(proxy): State<ProxyHandle>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let config = proxy.config().current();
    let mut all: Vec<_> = config.clusters.values().collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let live = crate::proxy::lock(&proxy.shared.live);
    let is_static = |cluster: &Cluster| {
        let slot = live.clusters().get(&cluster.name);
        slot.is_some_and(|slot| slot.is_static)
    };
    if query.get("format").is_some_and(|format| format == "json") {
        let statuses = all
            .iter()
            .map(|cluster| status(cluster, !is_static(cluster)));
        return json_page(&json!({"cluster_statuses": statuses.collect::<Vec<_>>()}));
    }
    let mut out = String::new();
    for cluster in all {
        write_cluster(&mut out, cluster, !is_static(cluster));
    }
    text(out)
}

fn endpoints(cluster: &Cluster) -> Vec<Arc<Endpoint>> {
    if cluster.follows_clients() {
        return cluster.on_demand.endpoints();
    }
    cluster.endpoints.current().endpoints().cloned().collect()
}

/// Name, value and whether it is a gauge, with Envoy's names.
fn numbers(counters: &EndpointCounters) -> [(&'static str, u64, bool); 8] {
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let gauge = |counter: &std::sync::atomic::AtomicU32| u64::from(counter.load(Ordering::Relaxed));
    [
        ("cx_active", gauge(&counters.cx_active), true),
        ("cx_connect_fail", load(&counters.cx_connect_fail), false),
        ("cx_total", load(&counters.cx_total), false),
        ("rq_active", gauge(&counters.rq_active), true),
        ("rq_error", load(&counters.rq_error), false),
        ("rq_success", load(&counters.rq_success), false),
        ("rq_timeout", load(&counters.rq_timeout), false),
        ("rq_total", load(&counters.rq_total), false),
    ]
}

fn status(cluster: &Cluster, added_via_api: bool) -> Value {
    let hosts: Vec<_> = endpoints(cluster)
        .iter()
        .map(|each| host_status(each))
        .collect();
    let breakers = &cluster.circuit_breakers;
    json!({
        "name": cluster.name.as_str(),
        "added_via_api": added_via_api,
        "observability_name": cluster.observability_name.as_str(),
        "circuit_breakers": {"thresholds": [
            thresholds("DEFAULT", &breakers.default),
            thresholds("HIGH", &breakers.high),
        ]},
        "host_statuses": hosts,
    })
}

fn thresholds(priority: &str, limits: &Thresholds) -> Value {
    let maximum = |resource| limits.maximum(resource);
    json!({
        "priority": priority,
        "max_connections": maximum(Resource::Connections),
        "max_pending_requests": maximum(Resource::PendingRequests),
        "max_requests": maximum(Resource::Requests),
        "max_retries": maximum(Resource::Retries),
    })
}

fn host_status(endpoint: &Endpoint) -> Value {
    let stats: Vec<_> = numbers(&endpoint.counters)
        .iter()
        .map(|(name, value, gauge)| {
            // As protobuf JSON: a counter is the default type, 64-bit numbers are strings.
            let mut stat = json!({"name": name, "value": value.to_string()});
            if *gauge {
                stat["type"] = json!("GAUGE");
            }
            stat
        })
        .collect();
    json!({
        "address": address_json(&endpoint.address),
        "stats": stats,
        "health_status": health_status(endpoint),
        "weight": endpoint.weight,
        "hostname": endpoint.hostname.as_str(),
        "priority": endpoint.priority,
        "locality": {
            "region": endpoint.locality.region.as_str(),
            "zone": endpoint.locality.zone.as_str(),
            "sub_zone": endpoint.locality.sub_zone.as_str(),
        },
    })
}

fn health_status(endpoint: &Endpoint) -> Value {
    use crate::cluster::HealthFlags;
    let found = endpoint.counters.health.flags();
    let mut status = json!({"eds_health_status": endpoint.health.name()});
    for (flag, name) in [
        (HealthFlags::FAILED_ACTIVE, "failed_active_health_check"),
        (HealthFlags::FAILED_OUTLIER, "failed_outlier_check"),
        (HealthFlags::DEGRADED_ACTIVE, "failed_active_degraded_check"),
        (HealthFlags::PENDING_ACTIVE, "pending_active_hc"),
    ] {
        if found.intersects(flag) {
            status[name] = json!(true);
        }
    }
    status
}

fn write_cluster(out: &mut String, cluster: &Cluster, added_via_api: bool) {
    let name = &cluster.name;
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name}::{text}");
    };
    line(format_args!(
        "observability_name::{}",
        cluster.observability_name
    ));
    for (priority, limits) in [
        ("default_priority", &cluster.circuit_breakers.default),
        ("high_priority", &cluster.circuit_breakers.high),
    ] {
        for (what, resource) in [
            ("max_connections", Resource::Connections),
            ("max_pending_requests", Resource::PendingRequests),
            ("max_requests", Resource::Requests),
            ("max_retries", Resource::Retries),
        ] {
            line(format_args!(
                "{priority}::{what}::{}",
                limits.maximum(resource)
            ));
        }
    }
    line(format_args!("added_via_api::{added_via_api}"));
    for endpoint in endpoints(cluster) {
        let address = &endpoint.address;
        for (what, value, _) in numbers(&endpoint.counters) {
            line(format_args!("{address}::{what}::{value}"));
        }
        line(format_args!("{address}::hostname::{}", endpoint.hostname));
        line(format_args!(
            "{address}::health_flags::{}",
            health_flags(&endpoint)
        ));
        line(format_args!("{address}::weight::{}", endpoint.weight));
        line(format_args!(
            "{address}::region::{}",
            endpoint.locality.region
        ));
        line(format_args!("{address}::zone::{}", endpoint.locality.zone));
        line(format_args!(
            "{address}::sub_zone::{}",
            endpoint.locality.sub_zone
        ));
        line(format_args!("{address}::priority::{}", endpoint.priority));
    }
}

/// Envoy's names of what speaks against the endpoint, or `healthy`.
fn health_flags(endpoint: &Endpoint) -> String {
    use crate::cluster::{Health, HealthFlags};
    let found = endpoint.counters.health.flags();
    let marks = [
        (HealthFlags::FAILED_ACTIVE, "/failed_active_hc"),
        (HealthFlags::FAILED_OUTLIER, "/failed_outlier_check"),
        (HealthFlags::DEGRADED_ACTIVE, "/degraded_active_hc"),
        (HealthFlags::PENDING_ACTIVE, "/pending_active_hc"),
    ];
    let marks = marks.iter().filter(|(flag, _)| found.intersects(*flag));
    let mut text: String = marks.map(|(_, name)| *name).collect();
    text.push_str(match endpoint.health {
        Health::Unknown | Health::Healthy => "",
        Health::Unhealthy => "/failed_eds_health",
        Health::Draining => "/eds_status_draining",
        Health::Degraded => "/degraded_eds_health",
    });
    if text.is_empty() {
        text.push_str("healthy");
    }
    text
}
