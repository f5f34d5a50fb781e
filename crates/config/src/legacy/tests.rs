//! Documents as the guides of Istio 0.1 showed them.

use super::{Converted, Converter};
use crate::{Spec, parse_all};

fn convert(text: &str) -> Converted {
    let mut converter = Converter::default();
    converter.read(text, "rules.yaml");
    converter.finish()
}

/// Every object that comes out must be valid today; the specs, in order.
fn specs(converted: &Converted) -> Vec<Spec> {
    converted
        .objects
        .iter()
        .map(|object| {
            let text = object.to_string();
            let mut parsed = parse_all(&text, "converted");
            let object = parsed
                .swap_remove(0)
                .unwrap_or_else(|refused| panic!("{refused:?}"));
            let bad = object.warnings.iter().find(|problem| problem.is_error());
            assert_eq!(bad, None);
            object.spec
        })
        .collect()
}

const WEIGHTED: &str = "
type: route-rule
name: catalog-default
spec:
  destination: catalog.shop.svc.cluster.local
  precedence: 1
  route:
  - tags: {version: v1}
    weight: 90
  - tags: {version: v2}
    weight: 10
---
type: route-rule
name: catalog-internal
spec:
  destination: catalog.shop.svc.cluster.local
  precedence: 9
  match:
    httpHeaders:
      cookie: {regex: '^(.*?;)?(user=jason)(;.*)?$'}
      uri: {prefix: /items}
  route:
  - tags: {version: v2}
";

#[test]
fn rules_of_a_destination_are_one_virtual_service_in_the_order_of_precedence() {
    let converted = convert(WEIGHTED);
    assert_eq!(converted.problems, []);
    let specs = specs(&converted);
    let [Spec::VirtualService(routes), Spec::DestinationRule(rule)] = specs.as_slice() else {
        panic!("{specs:?}");
    };
    assert_eq!(converted.objects[0]["metadata"]["namespace"], "shop");
    assert_eq!(routes.http.len(), 2);
    let subset =
        |http: usize, route: usize| routes.http[http].route[route].destination.subset.as_str();
    assert_eq!(subset(0, 0), "v2", "precedence 9 comes first");
    assert_eq!(routes.http[0].r#match.len(), 1);
    assert_eq!(subset(1, 0), "v1");
    let weights: Vec<_> = routes.http[1]
        .route
        .iter()
        .map(|route| route.weight)
        .collect();
    assert_eq!(weights, [90, 10]);
    let names: Vec<_> = rule
        .subsets
        .iter()
        .map(|subset| subset.name.to_string())
        .collect();
    assert_eq!(names, ["v1", "v2"]);
}

#[test]
fn requests_that_no_rule_matches_still_reach_the_service() {
    let converted = convert(
        "
type: route-rule
name: slow
spec:
  destination: ratings
  match: {httpHeaders: {x-test: {exact: 'yes'}}}
  httpFault: {delay: {percent: 100, fixedDelay: 7s}}
",
    );
    let specs = specs(&converted);
    let [Spec::VirtualService(routes)] = specs.as_slice() else {
        panic!("{specs:?}")
    };
    assert_eq!(routes.http.len(), 2);
    assert!(routes.http[0].fault.is_some());
    assert!(routes.http[1].r#match.is_empty());
}

#[test]
fn timeouts_retries_and_faults_keep_their_values() {
    let converted = convert(
        "
type: route-rule
name: times
spec:
  destination: ratings.default.svc.cluster.local
  httpReqTimeout: {simpleTimeout: {timeout: 2s}}
  httpReqRetries: {simpleRetry: {attempts: 2, perTryTimeout: 2s}}
  http_fault: {abort: {percent: 25, http_status: 503}, delay: {percent: 10, fixed_delay_seconds: 5}}
",
    );
    assert_eq!(converted.problems, []);
    specs(&converted);
    let http = &converted.objects[0]["spec"]["http"][0];
    assert_eq!(http["timeout"], "2s");
    assert_eq!(
        http["retries"],
        serde_json::json!({"attempts": 2, "perTryTimeout": "2s"})
    );
    assert_eq!(http["fault"]["abort"]["httpStatus"], 503);
    assert_eq!(http["fault"]["delay"]["fixedDelay"], "5s");
    assert_eq!(
        converted.objects[0]["spec"]["http"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[test]
fn a_circuit_breaker_becomes_pool_limits_and_outlier_detection_of_its_subset() {
    let converted = convert(
        "
type: destination-policy
name: cb
spec:
  destination: reviews.default.svc.cluster.local
  policy:
  - loadBalancing: {name: LEAST_CONN}
  - tags: {version: v1}
    circuitBreaker:
      simpleCb: {maxConnections: 100, httpMaxPendingRequests: 1, httpConsecutiveErrors: 1,
                 sleepWindow: 15m, httpDetectionInterval: 1s, httpMaxEjectionPercent: 100}
",
    );
    assert_eq!(converted.problems, []);
    specs(&converted);
    let spec = &converted.objects[0]["spec"];
    assert_eq!(
        spec["trafficPolicy"]["loadBalancer"]["simple"],
        "LEAST_REQUEST"
    );
    let subset = &spec["subsets"][0]["trafficPolicy"];
    assert_eq!(subset["connectionPool"]["tcp"]["maxConnections"], 100);
    assert_eq!(
        subset["connectionPool"]["http"]["http1MaxPendingRequests"],
        1
    );
    assert_eq!(subset["outlierDetection"]["baseEjectionTime"], "900s");
}

#[test]
fn a_caller_named_only_by_its_service_is_refused_and_the_other_documents_are_not() {
    let converted = convert(&format!(
        "
type: route-rule
name: retries
spec:
  destination: ratings.default.svc.cluster.local
  match: {{source: reviews.default.svc.cluster.local}}
---{WEIGHTED}"
    ));
    let [problem] = converted.problems.as_slice() else {
        panic!("{:?}", converted.problems)
    };
    assert!(problem.is_error());
    assert_eq!(problem.field, "spec.match.source");
    assert!(
        problem
            .to_string()
            .starts_with("rules.yaml:6: route-rule retries: "),
        "{problem}"
    );
    assert_eq!(converted.objects.len(), 2);
}

#[test]
fn unknown_fields_types_and_wrong_weights_are_named() {
    for (text, field) in [
        (
            "type: route-rule\nspec: {destination: a, colour: red}",
            "spec.colour",
        ),
        ("type: ingress-rule\nspec: {}", "type"),
        ("kind: RouteRule", "type"),
        ("type: route-rule\nspec: {route: []}", "spec.destination"),
        (
            "type: route-rule\nspec: {destination: a, route: [{weight: 60}, {weight: 60}]}",
            "spec.route",
        ),
        (
            "type: route-rule\nspec: {destination: a, l4Fault: {}}",
            "spec.l4Fault",
        ),
    ] {
        let converted = convert(text);
        assert_eq!(converted.objects, [] as [serde_json::Value; 0], "{text}");
        let fields: Vec<_> = converted
            .problems
            .iter()
            .map(|it| it.field.as_str())
            .collect();
        assert_eq!(fields, [field], "{text}");
    }
}
