//! Both directions over hand-picked messages.

use serde_json::json;

use super::*;
use crate::envoy::config::cluster::v3::Cluster;
use crate::envoy::config::core::v3::{Metadata, TransportSocket};
use crate::envoy::config::listener::v3::Listener;

fn round_trip<M: Message + Name + Default>(json: &Value) -> Value {
    let message: M = message_from_json(json).expect("read");
    message_to_json(&message).expect("written")
}

#[test]
fn durations_wrappers_enums_and_maps_keep_their_meaning() {
    let cluster = json!({
        "name": "outbound|80||a",
        "type": "EDS",
        "connectTimeout": "10s",
        "perConnectionBufferLimitBytes": 32768,
        "commonLbConfig": {"healthyPanicThreshold": {"value": 12.5}},
        "circuitBreakers": {"thresholds": [{"maxConnections": 4_294_967_295_u32}]},
        "metadata": {"filterMetadata": {"istio": {"services": [{"host": "a", "n": 1, "f": 1.5}]}}},
    });
    assert_eq!(round_trip::<Cluster>(&cluster), cluster);
}

#[test]
fn any_is_unfolded_at_every_depth() {
    let socket = json!({
        "name": "envoy.transport_sockets.tls",
        "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": "x",
        },
    });
    assert_eq!(round_trip::<TransportSocket>(&socket), socket);
}

#[test]
fn an_any_of_a_message_with_a_form_of_its_own_is_under_value() {
    let json = json!({"typedFilterMetadata": {"a": {
        "@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.500s"}}});
    assert_eq!(round_trip::<Metadata>(&json), json);
}

#[test]
fn an_any_of_an_unknown_type_is_written_as_base64() {
    let any = Any {
        type_url: "type.googleapis.com/no.Such".to_owned(),
        value: vec![1, 2, 3],
    };
    assert_eq!(
        any_to_json(&any),
        json!({"@type": "type.googleapis.com/no.Such", "value": "AQID"})
    );
}

fn refusal(json: &Value) -> String {
    message_from_json::<Listener>(json)
        .expect_err("refused")
        .to_string()
}

#[test]
fn problems_name_their_place_and_what_to_do() {
    assert_eq!(
        refusal(&json!({"filter_chains": [{}, {"filters": [{"nmae": "x"}]}]})),
        "filter_chains[1].filters[0]: unknown field \"nmae\" in \
         envoy.config.listener.v3.Filter; remove it or correct its name"
    );
    assert_eq!(
        refusal(&json!({"address": {"pipe": {}, "socketAddress": {}}})),
        "address: \"socketAddress\" cannot be set beside \"pipe\"; keep one of them"
    );
    assert_eq!(
        refusal(&json!({"listenerFiltersTimeout": "soon"})),
        "listenerFiltersTimeout: expected a duration in seconds such as \"1.5s\", found \"soon\""
    );
    assert!(refusal(&json!({"trafficDirection": "UP"})).contains("INBOUND, OUTBOUND"));
    assert_eq!(
        refusal(&json!({"listener_filters": [{"typed_config": {"a": 1}}]})),
        "listener_filters[0].typed_config: a typed configuration needs an \"@type\" that names \
         its message"
    );
}

#[test]
fn names_are_written_as_asked() {
    let cluster = Cluster {
        alt_stat_name: "a".to_owned(),
        ..Cluster::default()
    };
    let written = message_to_json_with(&cluster, FieldNames::Proto).expect("written");
    assert_eq!(written, json!({"alt_stat_name": "a"}));
}

#[test]
fn numbers_and_bytes_are_read_from_text_too() {
    let cluster: Cluster = message_from_json(&json!({
        "perConnectionBufferLimitBytes": "100",
        "loadAssignment": {"endpoints": [{"priority": 1.0}]},
        "connectTimeout": "0.000000001s",
    }))
    .expect("read");
    assert_eq!(cluster.connect_timeout.expect("given").nanos, 1);
    let error = message_from_json::<Cluster>(&json!({"perConnectionBufferLimitBytes": -1}))
        .expect_err("negative");
    assert_eq!(error.path(), "perConnectionBufferLimitBytes");
}
