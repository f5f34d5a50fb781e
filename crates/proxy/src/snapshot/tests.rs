//! Warming, publication and removal, with hand-made resources.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferromesh_proto::json::message_from_json;
use ferromesh_proto::{any, type_url};
use ferromesh_tls::{Secret, SecretStore};
use ferromesh_xds::client::{Command, NamedResource, TypeUpdate};
use serde_json::{Value, json};

use super::Live;
use crate::access_log::LogSinks;
use crate::cluster::NameCaches;
use crate::stats::Stats;
use crate::xds::Compiler;

fn live() -> Live {
    Live::new(Compiler {
        stats: Stats::new(1),
        secrets: SecretStore::new(),
        sinks: Arc::new(LogSinks::default()),
        names: NameCaches::default(),
    })
}

fn resource(kind: &str, value: &Value) -> NamedResource {
    use ferromesh_proto::envoy::config::{cluster, endpoint, listener, route};
    let body = match kind {
        type_url::CLUSTER => {
            any::pack(&message_from_json::<cluster::v3::Cluster>(value).expect("a cluster"))
        }
        type_url::ENDPOINT => any::pack(
            &message_from_json::<endpoint::v3::ClusterLoadAssignment>(value).expect("endpoints"),
        ),
        type_url::LISTENER => {
            any::pack(&message_from_json::<listener::v3::Listener>(value).expect("a listener"))
        }
        _ => any::pack(&message_from_json::<route::v3::RouteConfiguration>(value).expect("routes")),
    };
    let name = value.get("name").or_else(|| value.get("clusterName"));
    NamedResource {
        name: name.and_then(Value::as_str).unwrap_or_default().to_owned(),
        version: "v".to_owned(),
        body,
    }
}

fn send(live: &mut Live, kind: &str, values: &[Value], now: Instant) -> Option<String> {
    let update = TypeUpdate {
        type_url: kind.to_owned(),
        version: "1".to_owned(),
        resources: values.iter().map(|value| resource(kind, value)).collect(),
        ..TypeUpdate::default()
    };
    live.apply(&update, now).nack()
}

fn remove(live: &mut Live, kind: &str, name: &str, now: Instant) {
    let update = TypeUpdate {
        type_url: kind.to_owned(),
        removed: vec![name.to_owned()],
        ..TypeUpdate::default()
    };
    live.apply(&update, now);
}

fn eds_cluster(name: &str) -> Value {
    json!({"name": name, "type": "EDS", "edsClusterConfig": {"edsConfig": {"ads": {}}}})
}

fn endpoints(name: &str, addresses: &[&str]) -> Value {
    let each = |address: &&str| {
        json!({"endpoint": {"address": {"socketAddress":
            {"address": address, "portValue": 80}}}})
    };
    let list: Vec<Value> = addresses.iter().map(each).collect();
    json!({"clusterName": name, "endpoints": [{"lbEndpoints": list}]})
}

fn routes(cluster: &str) -> Value {
    json!({"name": "80", "virtualHosts": [{"name": "all", "domains": ["*"], "routes": [
        {"match": {"prefix": "/"}, "route": {"cluster": cluster}}
    ]}]})
}

fn http_listener() -> Value {
    json!({
        "name": "l",
        "address": {"socketAddress": {"address": "0.0.0.0", "portValue": 80}},
        "filterChains": [{"filters": [{"name": "hcm", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "statPrefix": "p",
            "rds": {"routeConfigName": "80", "configSource": {"ads": {}}},
            "httpFilters": [{"name": "router", "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
            }}]
        }}]}]
    })
}

#[test]
fn a_listener_waits_for_its_routes_and_routes_for_their_cluster() {
    let mut live = live();
    let now = Instant::now();
    assert_eq!(
        send(&mut live, type_url::CLUSTER, &[eds_cluster("a")], now),
        None
    );
    assert_eq!(
        send(&mut live, type_url::LISTENER, &[http_listener()], now),
        None
    );
    let subscriptions = live.subscribe();
    let wanted = |kind: &str, name: &str| Command::Subscribe {
        type_url: kind.to_owned(),
        add: vec![name.to_owned()],
        remove: Vec::new(),
    };
    assert_eq!(
        subscriptions,
        [
            wanted(type_url::ENDPOINT, "a"),
            wanted(type_url::ROUTE, "80")
        ]
    );
    send(&mut live, type_url::ROUTE, &[routes("a")], now);
    let config = live.published().current();
    assert!(config.clusters.is_empty() && config.listeners.is_empty());
    send(
        &mut live,
        type_url::ENDPOINT,
        &[endpoints("a", &["10.0.0.1"])],
        now,
    );
    let config = live.published().current();
    assert_eq!(config.clusters.len(), 1);
    assert_eq!(config.routes.len(), 1);
    assert_eq!(config.listeners.len(), 1);
}

#[test]
fn new_endpoints_change_neither_the_generation_nor_the_counters() {
    let mut live = live();
    let now = Instant::now();
    send(&mut live, type_url::CLUSTER, &[eds_cluster("a")], now);
    live.subscribe();
    send(
        &mut live,
        type_url::ENDPOINT,
        &[endpoints("a", &["10.0.0.1"])],
        now,
    );
    let before = live.published().current();
    let first = before.clusters["a"].endpoints.current();
    let counters = Arc::clone(&first.endpoints().next().expect("one").counters);
    let update = endpoints("a", &["10.0.0.2", "10.0.0.1"]);
    send(&mut live, type_url::ENDPOINT, &[update], now);
    let after = live.published().current();
    assert!(Arc::ptr_eq(&before, &after));
    let set = after.clusters["a"].endpoints.current();
    let kept = set
        .endpoints()
        .find(|each| each.address.to_string() == "10.0.0.1:80");
    assert!(Arc::ptr_eq(&kept.expect("still there").counters, &counters));
    assert_eq!(set.total, 2);
}

#[test]
fn a_bad_resource_leaves_its_last_good_version_and_the_others() {
    let mut live = live();
    let now = Instant::now();
    send(&mut live, type_url::LISTENER, &[http_listener()], now);
    live.subscribe();
    send(&mut live, type_url::ROUTE, &[routes("a")], now);
    let before = live.published().current();
    let mut bad = http_listener();
    bad["filterChains"][0]["filters"][0]["typedConfig"]["httpFilters"] = json!([
        {"name": "lua", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"}}
    ]);
    let mut good = http_listener();
    good["name"] = json!("m");
    good["address"]["socketAddress"]["portValue"] = json!(81);
    let detail = send(&mut live, type_url::LISTENER, &[bad, good], now).expect("a refusal");
    assert!(
        detail.starts_with("listener l: filter_chains[0].filters[0].typed_config.http_filters[0]")
            && detail.contains("envoy.extensions.filters.http.lua.v3.Lua is not supported"),
        "{detail}"
    );
    let after = live.published().current();
    let name = |config: &crate::compiled::Config| config.listeners.named("l").cloned();
    assert!(Arc::ptr_eq(
        &name(&before).expect("there"),
        &name(&after).expect("still there")
    ));
    assert!(after.listeners.named("m").is_some());
    assert!(live.listeners()["l"].rejected.is_some());
}

#[test]
fn numbers_that_would_eat_the_memory_are_refused() {
    let mut live = live();
    let now = Instant::now();
    let maglev = json!({"name": "m", "lbPolicy": "MAGLEV",
        "maglevLbConfig": {"tableSize": "1000000000000"}});
    let detail = send(
        &mut live,
        type_url::CLUSTER,
        &[maglev, eds_cluster("a")],
        now,
    );
    let detail = detail.expect("a refusal");
    assert!(
        detail.starts_with("cluster m: maglev_lb_config.table_size"),
        "{detail}"
    );
    let mut far = endpoints("a", &["10.0.0.1"]);
    far["endpoints"][0]["priority"] = json!(4_000_000_000_u32);
    let detail = send(&mut live, type_url::ENDPOINT, &[far], now).expect("a refusal");
    assert!(
        detail.starts_with("endpoints a: endpoints[0].priority"),
        "{detail}"
    );
}

#[test]
fn a_removed_cluster_stays_while_a_route_names_it() {
    let mut live = live();
    let now = Instant::now();
    send(
        &mut live,
        type_url::CLUSTER,
        &[eds_cluster("a"), eds_cluster("b")],
        now,
    );
    send(&mut live, type_url::LISTENER, &[http_listener()], now);
    live.subscribe();
    let both = [endpoints("a", &["10.0.0.1"]), endpoints("b", &["10.0.0.1"])];
    send(&mut live, type_url::ENDPOINT, &both, now);
    send(&mut live, type_url::ROUTE, &[routes("a")], now);
    remove(&mut live, type_url::CLUSTER, "a", now);
    assert!(live.published().current().cluster("a").is_some());
    send(&mut live, type_url::ROUTE, &[routes("b")], now);
    assert!(live.published().current().cluster("a").is_none());
    remove(&mut live, type_url::CLUSTER, "b", now);
    live.settle(now + Duration::from_mins(1));
    assert!(live.published().current().cluster("b").is_none());
}

#[test]
fn a_cluster_waits_for_its_secrets() {
    let mut live = live();
    let now = Instant::now();
    let tls = json!({
        "name": "envoy.transport_sockets.tls",
        "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "commonTlsContext": {"validationContextSdsSecretConfig":
                {"name": "kubernetes://ca", "sdsConfig": {"ads": {}}}}
        }
    });
    let cluster = json!({"name": "a", "type": "STATIC", "transportSocket": tls,
        "loadAssignment": endpoints("a", &["10.0.0.1"])});
    assert_eq!(send(&mut live, type_url::CLUSTER, &[cluster], now), None);
    let Some(Command::Subscribe { add, .. }) = live.subscribe().into_iter().next() else {
        panic!("a subscription was expected");
    };
    assert_eq!(add, ["kubernetes://ca"]);
    assert!(live.published().current().clusters.is_empty());
    live.compiler
        .secrets
        .set("kubernetes://ca", Secret::default());
    live.settle(now);
    assert_eq!(live.published().current().clusters.len(), 1);
}

#[test]
fn damaged_resources_never_stop_the_proxy_nor_change_the_others() {
    let mut random = fastrand::Rng::with_seed(11);
    let now = Instant::now();
    let mut live = live();
    send(&mut live, type_url::LISTENER, &[http_listener()], now);
    live.subscribe();
    send(&mut live, type_url::ROUTE, &[routes("a")], now);
    let kept = live.published().current().listeners.named("l").cloned();
    let mut other = http_listener();
    other["name"] = json!("damaged");
    let seeds = [
        (type_url::LISTENER, resource(type_url::LISTENER, &other)),
        (
            type_url::CLUSTER,
            resource(type_url::CLUSTER, &eds_cluster("c")),
        ),
        (
            type_url::ENDPOINT,
            resource(type_url::ENDPOINT, &endpoints("c", &["10.0.0.1"])),
        ),
    ];
    for _ in 0..3000 {
        let (kind, seed) = &seeds[random.usize(0..seeds.len())];
        let mut damaged = seed.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(0..damaged.body.value.len());
            damaged.body.value[at] = random.u8(..);
        }
        let update = TypeUpdate {
            type_url: (*kind).to_owned(),
            resources: vec![damaged],
            ..TypeUpdate::default()
        };
        live.apply(&update, now);
    }
    let after = live.published().current().listeners.named("l").cloned();
    assert!(Arc::ptr_eq(
        &kept.expect("there"),
        &after.expect("still there")
    ));
}
