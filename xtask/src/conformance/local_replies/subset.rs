//! Subsets of a cluster's endpoints, and settings of filters by weighted cluster.

use serde_json::{Value, json};

use crate::conformance::beside::{Row, row};

const FAULT: &str = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

/// A cluster whose endpoint has no metadata, with subsets by version.
fn by_version(fallback: &str, selector: Option<&str>) -> Value {
    let mut selector_fields = json!({"keys": ["version"]});
    if let Some(policy) = selector {
        selector_fields["fallback_policy"] = json!(policy);
    }
    json!({"lb_subset_config": {
        "fallback_policy": fallback,
        "default_subset": {"version": "v1"},
        "subset_selectors": [selector_fields],
    }})
}

fn wants(version: &str) -> Value {
    json!({"route": {"metadata_match": {"filter_metadata": {"envoy.lb": {"version": version}}}}})
}

pub fn rows() -> Vec<Row> {
    vec![
        row("no endpoint is in the subset")
            .cluster(by_version("NO_FALLBACK", None))
            .action(wants("v2"))
            .get("/", &[])
            .reply("503", "UH", "no_healthy_upstream"),
        row("a route without criteria and no fallback")
            .cluster(by_version("NO_FALLBACK", None))
            .get("/", &[])
            .reply("503", "UH", "no_healthy_upstream"),
        row("no endpoint is in the subset, and any will do")
            .cluster(by_version("ANY_ENDPOINT", None))
            .action(wants("v2"))
            .get("/", &[])
            .reply("200", "", "via_upstream"),
        row("the selector says that none will do")
            .cluster(by_version("ANY_ENDPOINT", Some("NO_FALLBACK")))
            .action(wants("v2"))
            .get("/", &[])
            .reply("503", "UH", "no_healthy_upstream"),
        row("the default subset has no endpoint")
            .cluster(by_version("DEFAULT_SUBSET", None))
            .action(wants("v2"))
            .get("/", &[])
            .reply("503", "UH", "no_healthy_upstream"),
        row("a weighted cluster has settings of a filter")
            .manager(json!({"http_filters": [
                {"name": "fault", "typed_config": {"@type": FAULT}},
                {"name": "router", "typed_config": {"@type": ROUTER}},
            ]}))
            .host(json!({"routes": [{"match": {"prefix": "/"}, "route": {
                "weighted_clusters": {"clusters": [{
                    "name": "$CLUSTER", "weight": 1,
                    "typed_per_filter_config": {"fault": {
                        "@type": FAULT,
                        "abort": {"http_status": 418, "percentage": {"numerator": 100}},
                    }},
                }]},
            }}]}))
            .get("/", &[])
            .note("client[0].line", "Envoy has no reason phrase for 418")
            .reply("418", "FI", "fault_filter_abort"),
    ]
}
