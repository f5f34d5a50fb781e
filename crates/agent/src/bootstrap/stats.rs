//! Statistics: tags cut out of names, which statistics exist at all, and where they are sent.

use serde_json::{Map, Value, json};

use super::Context;
use crate::settings::ProxyConfig;

/// Tag and the expression whose second group is its value. Names of clusters and connection
/// managers end in `;`, which keeps dots inside them apart from dots between parts.
const TAGS: [(&str, &str); 16] = [
    ("cluster_name", r"^cluster(\.(.+);)"),
    (
        "http_conn_manager_prefix",
        r"^http\.(((?:[_.[:digit:]\w]*|[_\[\]aAbBcCdDeEfF[:digit:]\w\:]*));\.)",
    ),
    ("thread_name", r"^server(\.(.+))\.watchdog"),
    ("tcp_prefix", r"^tcp\.((.*?)\.)\w+?$"),
    ("response_code", r"_rq(_(\d{3}))$"),
    ("response_code_class", r"_rq(_(\dxx))$"),
    (
        "http_conn_manager_listener_prefix",
        r"^listener(?=\.).*?\.http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)",
    ),
    (
        "listener_address",
        r"^listener\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)",
    ),
    (
        "mongo_prefix",
        r"^mongo\.(.+?)\.(collection|cmd|cx_|op_|delays_|decoding_)(.*?)$",
    ),
    ("cache", r"(cache\.(.+?)\.)"),
    ("component", r"(component\.(.+?)\.)"),
    ("tag", r"(tag\.(.+?);\.)"),
    ("wasm_filter", r"(wasm_filter\.(.+?)\.)"),
    ("authz_enforce_result", r"rbac(\.(allowed|denied))"),
    ("authz_dry_run_action", r"(\.istio_dry_run_(allow|deny)_)"),
    ("authz_dry_run_result", r"(\.shadow_(allowed|denied))"),
];

/// Statistics that readiness and the tools read.
const REQUIRED_PREFIXES: [&str; 5] = [
    "cluster_manager",
    "listener_manager",
    "server",
    "cluster.xds-grpc",
    "wasm",
];
const REQUIRED_SUFFIXES: [&str; 4] = [
    "rbac.allowed",
    "rbac.denied",
    "shadow_allowed",
    "shadow_denied",
];
const REQUIRED_REGEX: &str = r"vhost\..*\.route\..*";

pub(super) fn config(context: &Context<'_>) -> Value {
    let mut tags: Vec<_> = TAGS
        .iter()
        .map(|(name, regex)| json!({"tag_name": name, "regex": regex}))
        .collect();
    for tag in extra_tags(context) {
        tags.push(json!({"tag_name": tag, "regex": format!(r"({tag}=\.=(.*?);\.)")}));
    }
    let mut stats = json!({
        "use_all_default_tags": false,
        "stats_tags": tags,
        "stats_matcher": {"inclusion_list": {"patterns": patterns(context)}},
    });
    let buckets = buckets(context);
    if !buckets.is_empty() {
        stats["histogram_bucket_settings"] = Value::Array(buckets);
    }
    stats
}

fn extra_tags(context: &Context<'_>) -> Vec<String> {
    let config = &context.settings.node.proxy_config;
    let mut tags: Vec<_> = config.list("/extraStatTags").map(str::to_owned).collect();
    tags.extend(words(context.annotation("sidecar.istio.io/extraStatTags")));
    tags.sort();
    tags.dedup();
    tags
}

fn words(text: Option<&str>) -> impl Iterator<Item = String> {
    let words = text.into_iter().flat_map(|text| text.split(','));
    words
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
}

fn patterns(context: &Context<'_>) -> Vec<Value> {
    let config = &context.settings.node.proxy_config;
    let wanted = |annotation: &str, field: &str| -> Vec<String> {
        let from_annotation = words(context.annotation(annotation));
        let pointer = format!("/proxyStatsMatcher/{field}");
        from_annotation
            .chain(config.list(&pointer).map(str::to_owned))
            .collect()
    };
    let mut patterns = vec![json!({"prefix": "reporter="})];
    if context.flag("METADATA_DISCOVERY") {
        patterns.push(json!({"prefix": "workload_discovery"}));
    }
    let prefixes = wanted(
        "sidecar.istio.io/statsInclusionPrefixes",
        "inclusionPrefixes",
    );
    let required = REQUIRED_PREFIXES.map(str::to_owned);
    patterns.extend(
        prefixes
            .into_iter()
            .chain(required)
            .map(|text| json!({"prefix": text})),
    );
    let suffixes = wanted(
        "sidecar.istio.io/statsInclusionSuffixes",
        "inclusionSuffixes",
    );
    let required = REQUIRED_SUFFIXES.map(str::to_owned);
    let draining = context.settings.exit_on_zero_connections;
    let draining = draining.then(|| "downstream_cx_active".to_owned());
    let suffixes = suffixes.into_iter().chain(required).chain(draining);
    patterns.extend(suffixes.map(|text| json!({"suffix": text})));
    let regexes = wanted("sidecar.istio.io/statsInclusionRegexps", "inclusionRegexps");
    let regexes = regexes.into_iter().chain([REQUIRED_REGEX.to_owned()]);
    patterns.extend(regexes.map(|text| json!({"safe_regex": {"regex": text}})));
    patterns.extend(["component", "istio"].map(|text| json!({"prefix": text})));
    patterns
}

/// `{"prefix": [1, 10, 100]}` in an annotation.
fn buckets(context: &Context<'_>) -> Vec<Value> {
    let text = context
        .annotation("sidecar.istio.io/statsHistogramBuckets")
        .unwrap_or_default();
    let parsed: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let setting = |(prefix, buckets): (String, Value)| json!({"match": {"prefix": prefix}, "buckets": buckets});
    parsed.into_iter().map(setting).collect()
}

pub(super) fn intervals(context: &Context<'_>, parts: &mut Map<String, Value>) {
    for (annotation, field) in [
        (
            "sidecar.istio.io/statsFlushInterval",
            "stats_flush_interval",
        ),
        (
            "sidecar.istio.io/statsEvictionInterval",
            "stats_eviction_interval",
        ),
    ] {
        let duration = context
            .annotation(annotation)
            .and_then(crate::settings::parse_duration);
        if let Some(duration) = duration {
            parts.insert(
                field.to_owned(),
                json!(format!("{}s", duration.as_secs_f64())),
            );
        }
    }
}

pub(super) fn sinks(config: &ProxyConfig) -> Vec<Value> {
    let mut sinks = Vec::new();
    if config.at("/envoyMetricsService/address").is_some() {
        sinks.push(
            json!({"name": "envoy.stat_sinks.metrics_service", "typed_config": {
                "@type": "type.googleapis.com/envoy.config.metrics.v3.MetricsServiceConfig",
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": "envoy_metrics_service"}},
            }}),
        );
    }
    if let Some((host, port)) = super::clusters::host_and_port(config.text("/statsdUdpAddress")) {
        sinks.push(json!({"name": "envoy.stat_sinks.statsd", "typed_config": {
            "@type": "type.googleapis.com/envoy.config.metrics.v3.StatsdSink",
            "address": {"socket_address": {"address": host, "port_value": port}},
        }}));
    }
    sinks
}
