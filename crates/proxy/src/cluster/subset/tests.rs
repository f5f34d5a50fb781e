use ferromesh_types::Locality;
use serde_json::json;

use super::*;
use crate::cluster::{Address, EndpointCounters, Health};
use crate::compiled::UpstreamTransport;
use crate::stats::Stats;

fn endpoint(number: u8, metadata: &Value) -> Arc<Endpoint> {
    Arc::new(Endpoint {
        address: Address::Ip(([10, 0, 0, number], 80).into()),
        hostname: Str::default(),
        locality: Locality::default(),
        priority: 0,
        weight: 1,
        health: Health::Unknown,
        transport: Arc::new(UpstreamTransport::Raw),
        workload: Str::default(),
        metadata: metadata.as_object().expect("an object").clone(),
        check: None,
        counters: Arc::new(EndpointCounters::default()),
    })
}

fn wanted(value: &Value) -> EndpointMatch {
    let object = value.as_object().expect("an object").iter();
    EndpointMatch::new(
        object
            .map(|(name, value)| (name.as_str().into(), value.to_string().into()))
            .collect(),
    )
}

fn settings(
    fallback: Fallback,
    selectors: &[(&[&str], Option<SelectorFallback>)],
) -> SubsetSettings {
    SubsetSettings {
        fallback,
        default: wanted(&json!({"version": "v1"})),
        selectors: selectors
            .iter()
            .map(|(names, fallback)| Selector {
                names: names.iter().map(|name| Str::from(*name)).collect(),
                fallback: fallback.clone(),
            })
            .collect(),
        locality_aware: false,
        scales_localities: false,
        panic_anything: false,
        list_as_any: true,
        stats: SubsetStats::new(&Stats::new(1), "cluster.c."),
    }
}

/// The last byte of the addresses that a request may go to; `None` where there is no set.
fn found(settings: &SubsetSettings, asked: Option<&Value>) -> Option<Vec<u8>> {
    let endpoints = vec![
        endpoint(1, &json!({"version": "v1", "stage": "prod"})),
        endpoint(2, &json!({"version": "v2", "stage": "prod"})),
        endpoint(3, &json!({"version": "v2", "stage": ["test", "dev"]})),
        endpoint(4, &json!({})),
    ];
    let weights = LocalityWeights::default();
    let all = EndpointSet::new(
        endpoints.clone(),
        &weights,
        SetSettings::default(),
        Str::default(),
    );
    let subsets = Subsets::new(settings, &endpoints, &weights, SetSettings::default());
    let asked = asked.map(wanted);
    let set = subsets.find(settings, &all, asked.as_ref())?;
    let last = |endpoint: &Arc<Endpoint>| match &endpoint.address {
        Address::Ip(address) => address.to_string().as_bytes()[7] - b'0',
        Address::Unix(path) => panic!("an IP address: {}", path.display()),
    };
    Some(set.endpoints().map(last).collect())
}

#[test]
fn a_subset_has_the_endpoints_with_all_the_values() {
    let settings = settings(
        Fallback::Nothing,
        &[(&["version"], None), (&["stage", "version"], None)],
    );
    for (asked, expected) in [
        (json!({"version": "v2"}), Some(vec![2, 3])),
        (json!({"version": "v2", "stage": "prod"}), Some(vec![2])),
        (json!({"version": "v2", "stage": "dev"}), Some(vec![3])),
        // Nobody has it, and there is no selector of that key alone.
        (json!({"version": "v3"}), None),
        (json!({"stage": "prod"}), None),
    ] {
        assert_eq!(found(&settings, Some(&asked)), expected, "{asked}");
    }
    assert_eq!(found(&settings, None), None);
    assert_eq!(settings.stats.lb_subsets_selected().value(), 3);
}

#[test]
fn without_a_subset_the_cluster_decides_unless_the_selector_does() {
    let unknown = json!({"version": "v9", "stage": "prod"});
    let selectors: &[&str] = &["stage", "version"];
    for (cluster, selector, expected) in [
        (Fallback::Nothing, None, None),
        (Fallback::Anything, None, Some(vec![1, 2, 3, 4])),
        (Fallback::Default, None, Some(vec![1])),
        (
            Fallback::Anything,
            Some(SelectorFallback::As(Fallback::Nothing)),
            None,
        ),
        (
            Fallback::Nothing,
            Some(SelectorFallback::As(Fallback::Default)),
            Some(vec![1]),
        ),
        (
            Fallback::Nothing,
            Some(SelectorFallback::Names(vec!["stage".into()])),
            Some(vec![1, 2]),
        ),
    ] {
        let settings = settings(cluster, &[(selectors, selector), (&["stage"], None)]);
        assert_eq!(found(&settings, Some(&unknown)), expected);
    }
}

#[test]
fn a_default_subset_without_endpoints_may_stand_for_all() {
    let mut settings = settings(Fallback::Default, &[]);
    settings.default = wanted(&json!({"version": "v9"}));
    assert_eq!(found(&settings, None), Some(Vec::new()));
    settings.panic_anything = true;
    assert_eq!(found(&settings, None), Some(vec![1, 2, 3, 4]));
    assert_eq!(settings.stats.lb_subsets_fallback_panic().value(), 1);
}

#[test]
fn localities_count_by_the_share_that_is_in_the_subset() {
    let near: Vec<_> = (1..=4).map(|each| endpoint(each, &json!({}))).collect();
    let weights = LocalityWeights::from([((0, Locality::default()), 10)]);
    let scaled = scaled_weights(&weights, &near, &near[..1]);
    assert_eq!(scaled[&(0, Locality::default())], 3);
}
