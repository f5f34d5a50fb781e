//! The mesh config: defaults, what is laid over them, and what is said about the rest.

use ferromesh_types::Labels;

use super::{MeshConfig, ProxyConfig};
use crate::kind::sidecar::OutboundTrafficMode;

#[test]
fn an_empty_text_gives_the_defaults() {
    for text in ["", "{}", "# nothing\n"] {
        let (config, problems) = MeshConfig::parse(text);
        assert_eq!(config, MeshConfig::default());
        assert!(problems.is_empty());
    }
    let config = MeshConfig::default();
    assert_eq!(
        config.outbound_traffic_policy.mode,
        OutboundTrafficMode::AllowAny
    );
    assert_eq!(config.connect_timeout.as_secs(), 10);
    assert_eq!(
        config.default_config.discovery_address,
        "istiod.istio-system.svc:15012"
    );
}

#[test]
fn settings_are_laid_over_the_defaults_at_every_depth() {
    let (config, problems) = MeshConfig::parse(
        "outboundTrafficPolicy: {mode: REGISTRY_ONLY}\ndefaultConfig:\n  concurrency: 2\n\
         extensionProviders:\n- name: own\n  zipkin: {service: z, port: 9411}\nmeshMTLS: {minProtocolVersion: TLSV1_3}\n",
    );
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(
        config.outbound_traffic_policy.mode,
        OutboundTrafficMode::RegistryOnly
    );
    assert_eq!(config.default_config.concurrency, Some(2));
    assert_eq!(config.default_config.status_port, 15020);
    let names: Vec<_> = config
        .extension_providers
        .iter()
        .map(|p| p.name.as_str())
        .collect();
    assert_eq!(names, ["own", "prometheus", "stackdriver", "envoy"]);
}

#[test]
fn what_is_not_understood_is_named_and_the_rest_counts() {
    let (config, problems) = MeshConfig::parse(
        "accessLogFile: /dev/stdout\ntrustDomian: x\nconnectTimeout: soon\n\
         defaultConfig: {statusPort: 1, colour: red}\n",
    );
    assert_eq!(config.access_log_file, "/dev/stdout");
    assert_eq!(config.connect_timeout.as_secs(), 10);
    assert_eq!(config.default_config.status_port, 1);
    let mut fields: Vec<_> = problems
        .iter()
        .map(|problem| problem.field.as_str())
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        ["connectTimeout", "defaultConfig.colour", "trustDomian"]
    );
    let (config, problems) = MeshConfig::parse("a: [");
    assert_eq!((config, problems.len()), (MeshConfig::default(), 1));
    assert_eq!(
        ProxyConfig::parse("statNameLength: 1").0.stat_name_length,
        1
    );
}

#[test]
fn discovery_selectors_choose_namespaces() {
    let (config, problems) = MeshConfig::parse(
        "discoverySelectors:\n- matchLabels: {mesh: \"yes\"}\n- matchExpressions:\n  \
         - {key: env, operator: In, values: [prod, test]}\n  - {key: legacy, operator: DoesNotExist}\n",
    );
    assert!(problems.is_empty(), "{problems:?}");
    let labels = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<Labels>();
    assert!(config.discovers(&labels(&[("mesh", "yes")])));
    assert!(config.discovers(&labels(&[("env", "test")])));
    assert!(!config.discovers(&labels(&[("env", "test"), ("legacy", "1")])));
    assert!(!config.discovers(&labels(&[])));
    assert!(MeshConfig::default().discovers(&labels(&[])));
}
