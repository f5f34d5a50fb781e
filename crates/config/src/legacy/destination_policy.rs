//! `type: destination-policy` → traffic policies of a DestinationRule.

use ferromesh_types::Str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::subset::Tags;
use crate::check::Finding;
use crate::value::Duration;

/// How a destination is called.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct DestinationPolicy {
    /// The service that is called.
    pub(super) destination: Str,
    policy: Vec<Policy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Policy {
    tags: Tags,
    #[serde(alias = "load_balancing")]
    load_balancing: Option<LoadBalancing>,
    #[serde(alias = "circuit_breaker")]
    circuit_breaker: Option<CircuitBreaker>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LoadBalancing {
    name: Balancer,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Balancer {
    RoundRobin,
    LeastConn,
    Random,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CircuitBreaker {
    #[serde(alias = "simple_cb")]
    simple_cb: SimpleBreaker,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct SimpleBreaker {
    #[serde(alias = "max_connections")]
    max_connections: Option<u32>,
    #[serde(alias = "http_max_pending_requests")]
    http_max_pending_requests: Option<u32>,
    #[serde(alias = "http_max_requests")]
    http_max_requests: Option<u32>,
    #[serde(alias = "http_max_requests_per_connection")]
    http_max_requests_per_connection: Option<u32>,
    #[serde(alias = "http_max_retries")]
    http_max_retries: Option<u32>,
    #[serde(alias = "sleep_window")]
    sleep_window: Option<Duration>,
    #[serde(alias = "http_consecutive_errors")]
    http_consecutive_errors: Option<u32>,
    #[serde(alias = "http_detection_interval")]
    http_detection_interval: Option<Duration>,
    #[serde(alias = "http_max_ejection_percent")]
    http_max_ejection_percent: Option<u32>,
}

/// A traffic policy for the endpoints with some tags; without tags it is for all.
#[derive(Debug)]
pub(super) struct Converted {
    /// The tags.
    pub(super) tags: Tags,
    /// The `trafficPolicy`.
    pub(super) traffic_policy: Value,
}

/// Converts a document; nothing when the findings hold an error.
pub(super) fn convert(
    document: &DestinationPolicy,
    found: &mut Vec<Finding>,
) -> Option<Vec<Converted>> {
    if document.destination.is_empty() {
        found.push(Finding::error(
            "spec.destination",
            "the service that is called is missing",
        ));
        return None;
    }
    let policies = document.policy.iter().map(|policy| Converted {
        tags: policy.tags.clone(),
        traffic_policy: traffic_policy(policy),
    });
    Some(policies.collect())
}

fn traffic_policy(policy: &Policy) -> Value {
    let mut fields = Map::new();
    if let Some(LoadBalancing { name }) = policy.load_balancing {
        let simple = match name {
            Balancer::RoundRobin => "ROUND_ROBIN",
            Balancer::LeastConn => "LEAST_REQUEST",
            Balancer::Random => "RANDOM",
        };
        fields.insert("loadBalancer".to_owned(), json!({"simple": simple}));
    }
    if let Some(CircuitBreaker { simple_cb }) = &policy.circuit_breaker {
        let pool = connection_pool(simple_cb);
        if pool != json!({}) {
            fields.insert("connectionPool".to_owned(), pool);
        }
        let detection = outlier_detection(simple_cb);
        if detection != json!({}) {
            fields.insert("outlierDetection".to_owned(), detection);
        }
    }
    Value::Object(fields)
}

fn connection_pool(breaker: &SimpleBreaker) -> Value {
    let http = some_of([
        (
            "http1MaxPendingRequests",
            breaker.http_max_pending_requests.map(|n| json!(n)),
        ),
        (
            "http2MaxRequests",
            breaker.http_max_requests.map(|n| json!(n)),
        ),
        (
            "maxRequestsPerConnection",
            breaker.http_max_requests_per_connection.map(|n| json!(n)),
        ),
        ("maxRetries", breaker.http_max_retries.map(|n| json!(n))),
    ]);
    let tcp = breaker
        .max_connections
        .map(|n| json!({"maxConnections": n}));
    some_of([("tcp", tcp), ("http", (http != json!({})).then_some(http))])
}

fn outlier_detection(breaker: &SimpleBreaker) -> Value {
    some_of([
        (
            "consecutive5xxErrors",
            breaker.http_consecutive_errors.map(|n| json!(n)),
        ),
        (
            "interval",
            breaker.http_detection_interval.map(|time| json!(time)),
        ),
        (
            "baseEjectionTime",
            breaker.sleep_window.map(|time| json!(time)),
        ),
        (
            "maxEjectionPercent",
            breaker.http_max_ejection_percent.map(|n| json!(n)),
        ),
    ])
}

fn some_of<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let given = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect())
}
