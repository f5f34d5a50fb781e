//! The decision table and the shape of an injected pod.

use ferromesh_types::Labels;
use serde_json::{Value, json};

use crate::{Decision, InjectError, InjectSettings, Owner, Target, decide, inject};

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().copied().collect()
}

fn pod(labels: Value, annotations: Value) -> Value {
    json!({
        "metadata": {"name": "web", "labels": labels, "annotations": annotations},
        "spec": {"containers": [{"name": "web", "image": "x", "ports": [{"containerPort": 80, "name": "http"}],
            "readinessProbe": {"httpGet": {"path": "/ok", "port": "http"}, "timeoutSeconds": 2}}]},
    })
}

fn plain() -> Value {
    pod(json!({"app": "web"}), json!({}))
}

fn injected(pod: &Value) -> Result<Value, InjectError> {
    let owner = Owner {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        name: "web".into(),
    };
    inject(
        pod,
        Target {
            namespace: "shop",
            owner: Some(&owner),
        },
        &InjectSettings::default(),
    )
}

#[test]
fn the_decision_table_holds_row_by_row() {
    let other = InjectSettings {
        revision: "canary".to_owned(),
        ..InjectSettings::default()
    };
    let default = InjectSettings::default();
    let says = |word: &str| pod(json!({"sidecar.istio.io/inject": word}), json!({}));
    let noted = |word: &str| pod(json!({}), json!({"sidecar.istio.io/inject": word}));
    let enabled = labels(&[("istio-injection", "enabled")]);
    let disabled = labels(&[("istio-injection", "disabled")]);
    let canary = labels(&[("istio.io/rev", "canary")]);
    let none = labels(&[]);
    for (namespace, pod, settings, expected) in [
        (&enabled, plain(), &default, true),
        (&enabled, says("false"), &default, false),
        (&enabled, noted("false"), &default, false),
        (&enabled, plain(), &other, false),
        (&disabled, says("true"), &default, false),
        (&none, plain(), &default, false),
        (&none, says("true"), &default, true),
        (&none, says("true"), &other, false),
        (&canary, plain(), &other, true),
        (&canary, plain(), &default, false),
        (&canary, says("false"), &other, false),
        (
            &none,
            self::pod(json!({"istio.io/rev": "canary"}), json!({})),
            &other,
            true,
        ),
    ] {
        let decision = decide("shop", namespace, &pod, settings);
        assert_eq!(
            decision == Decision::Inject,
            expected,
            "{namespace:?} {pod} {decision:?}"
        );
    }
}

#[test]
fn a_host_network_pod_and_the_cluster_s_own_namespaces_are_left_alone() {
    let enabled = labels(&[("istio-injection", "enabled")]);
    let mut host = plain();
    host["spec"]["hostNetwork"] = json!(true);
    let settings = InjectSettings::default();
    assert_ne!(decide("shop", &enabled, &host, &settings), Decision::Inject);
    assert_ne!(
        decide("kube-system", &enabled, &plain(), &settings),
        Decision::Inject
    );
}

#[test]
fn a_gateway_does_not_say_that_its_ports_take_mutual_tls() {
    let mut gateway = pod(
        json!({"istio": "egressgateway"}),
        json!({"inject.istio.io/templates": "gateway"}),
    );
    gateway["spec"]["containers"][0]["name"] = json!("istio-proxy");
    let pod = injected(&gateway).expect("the pod is fine");
    let labels = &pod["metadata"]["labels"];
    assert!(labels["security.istio.io/tlsMode"].is_null(), "{labels}");
    assert_eq!(labels["service.istio.io/canonical-revision"], "latest");
}

#[test]
fn an_injected_pod_has_redirection_then_proxy_then_application() {
    let pod = injected(&plain()).expect("the pod is fine");
    let initial = &pod["spec"]["initContainers"];
    assert_eq!(initial[0]["name"], "istio-init");
    assert_eq!(initial[1]["name"], "istio-proxy");
    assert_eq!(initial[1]["restartPolicy"], "Always");
    assert_eq!(pod["spec"]["containers"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        pod["metadata"]["labels"]["security.istio.io/tlsMode"],
        "istio"
    );
    let again = decide(
        "shop",
        &labels(&[("istio-injection", "enabled")]),
        &pod,
        &InjectSettings::default(),
    );
    assert_ne!(again, Decision::Inject, "injection happens once");
}

#[test]
fn probes_go_through_the_status_port_and_named_ports_are_resolved() {
    let pod = injected(&plain()).expect("the pod is fine");
    let probe = &pod["spec"]["containers"][0]["readinessProbe"];
    assert_eq!(
        probe["httpGet"],
        json!({"path": "/app-health/web/readyz", "port": 15020})
    );
    let env = pod["spec"]["initContainers"][1]["env"]
        .as_array()
        .expect("the proxy has an env");
    let probers = env
        .iter()
        .find(|each| each["name"] == "ISTIO_KUBE_APP_PROBERS")
        .expect("set");
    let parsed: Value =
        serde_json::from_str(probers["value"].as_str().expect("text")).expect("JSON");
    assert_eq!(
        parsed["/app-health/web/readyz"],
        json!({"httpGet": {"path": "/ok", "port": 80}, "timeoutSeconds": 2})
    );
}

#[test]
fn a_bad_traffic_annotation_refuses_the_pod_and_names_the_annotation() {
    let name = "traffic.sidecar.istio.io/includeInboundPorts";
    let error = injected(&pod(json!({}), json!({name: "80,x"}))).expect_err("x is no port");
    assert!(error.to_string().contains(name), "{error}");
}

#[test]
fn the_pod_s_proxy_config_is_laid_over_the_mesh_s() {
    let config = "proxyMetadata:\n  ISTIO_META_DNS_CAPTURE: \"true\"\nstatusPort: 15030\n";
    let pod = injected(&pod(json!({}), json!({"proxy.istio.io/config": config}))).expect("fine");
    let init = &pod["spec"]["initContainers"][0];
    assert_eq!(
        init["env"],
        json!([{"name": "ISTIO_META_DNS_CAPTURE", "value": "true"}])
    );
    let arguments = init["args"].as_array().expect("arguments");
    assert!(
        arguments.contains(&json!("15090,15021,15030")),
        "{arguments:?}"
    );
}
