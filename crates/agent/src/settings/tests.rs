//! Settings from environments such as the injector writes.

use super::*;

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let folder = ("FERROMESH_ROOT", "/nonexistent");
    let pairs = pairs.iter().chain([&folder]);
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::read(Role::Sidecar, &Arguments::default(), variables(pairs))
}

#[test]
fn an_injected_environment_gives_the_node_id_and_the_identity() {
    let settings = read(&[
        ("POD_NAME", "web-1"),
        ("POD_NAMESPACE", "shop"),
        ("INSTANCE_IP", "10.0.0.7"),
        ("SERVICE_ACCOUNT", "web"),
        ("TRUST_DOMAIN", "mesh.test"),
        ("TERMINATION_DRAIN_DURATION_SECONDS", "7"),
        (
            "PROXY_CONFIG",
            "{\"discoveryAddress\":\"cp:15012\",\"concurrency\":1}\n",
        ),
    ])
    .expect("all readable");
    assert_eq!(
        settings.node.id,
        "sidecar~10.0.0.7~web-1.shop~shop.svc.cluster.local"
    );
    assert_eq!(
        settings.certificates.spiffe_id,
        "spiffe://mesh.test/ns/shop/sa/web"
    );
    assert_eq!(settings.discovery.address.to_string(), "cp:15012");
    assert_eq!(
        settings.certificates.authority.address.to_string(),
        "cp:15012"
    );
    assert_eq!(settings.concurrency, 1);
    assert_eq!(settings.termination_drain, Duration::from_secs(7));
    assert!(settings.discovery.roots.is_some());
    let node = crate::node::Node::new(&settings.node);
    assert!(node.metadata.contains_key("FERROMESH_VERSION"));
    assert_eq!(node.cluster, "istio-proxy.shop");
}

#[test]
fn proxy_metadata_counts_as_environment_and_the_annotation_is_absent() {
    let settings = read(&[(
        "PROXY_CONFIG",
        r#"{"proxyMetadata":{"ISTIO_META_DNS_CAPTURE":"false"},"controlPlaneAuthPolicy":"NONE"}"#,
    )])
    .expect("readable");
    assert!(settings.dns.is_none());
    assert!(settings.discovery.roots.is_none());
}

#[test]
fn a_bad_value_names_its_variable() {
    for (name, value) in [
        ("INSTANCE_IP", "nowhere"),
        ("TERMINATION_DRAIN_DURATION_SECONDS", "5s"),
        ("SECRET_TTL", "soon"),
        ("FERROMESH_DATA_PLANE", "nginx"),
        (
            "ISTIO_KUBE_APP_PROBERS",
            "{\"/elsewhere\":{\"tcpSocket\":{\"port\":1}}}",
        ),
        (
            "ISTIO_PROMETHEUS_ANNOTATIONS",
            "{\"scrape\":\"true\",\"port\":\"15090\"}",
        ),
    ] {
        let error = read(&[(name, value)]).expect_err(name).to_string();
        assert!(error.contains(name) || error.contains(value), "{error}");
    }
    assert!(matches!(
        read(&[("FERROMESH_DATA_PLANE", "envoy")]),
        Err(SettingsError::NoEnvoy)
    ));
}

#[test]
fn probes_and_scrapes_are_read() {
    let settings = read(&[
        (
            "ISTIO_KUBE_APP_PROBERS",
            r#"{"/app-health/app/readyz":{"httpGet":{"path":"health","port":8080,"scheme":"HTTP"},
               "timeoutSeconds":3}}"#,
        ),
        (
            "ISTIO_PROMETHEUS_ANNOTATIONS",
            r#"{"scrape":"true","path":"","port":"9090"}"#,
        ),
    ])
    .expect("readable");
    let probe = &settings.status.app_probes["/app-health/app/readyz"];
    assert_eq!(probe.timeout, Duration::from_secs(3));
    assert!(matches!(&probe.kind, ProbeKind::Http(http) if http.path == "/health"));
    let scrape = settings.status.scrape.expect("asked for");
    assert_eq!((scrape.port, scrape.path.as_str()), (9090, "/metrics"));
}
