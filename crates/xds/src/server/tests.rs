//! The server's half alone: every rule of the two protocols as a sentence.

use std::collections::HashMap;
use std::sync::Arc;

use ferromesh_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use ferromesh_proto::google::rpc::Status;
use ferromesh_types::Str;
use prost::Message as _;

use super::*;
use crate::{EncodedResource, NameInterner, Request, ResourceSet, Variant};

const CDS: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const EDS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

fn settings() -> ServerStreamSettings {
    ServerStreamSettings {
        wildcard_by_default: |type_url| type_url == CDS,
        sends_removals: |_| true,
        dependent_type: |type_url| (type_url == CDS).then_some(EDS),
    }
}

fn stream(variant: Variant) -> ServerStream {
    ServerStream::new(variant, settings(), Arc::new(NameInterner::default()))
}

fn set(type_url: &str, resources: &[(&str, &str)]) -> Arc<ResourceSet> {
    let encode = |(name, text): &(&str, &str)| {
        Arc::new(EncodedResource::new(type_url, *name, text.as_bytes()))
    };
    Arc::new(resources.iter().map(encode).collect())
}

fn version() -> Str {
    Str::from("v")
}

fn delta(type_url: &str, subscribe: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: type_url.into(),
        resource_names_subscribe: subscribe.iter().map(ToString::to_string).collect(),
        ..DeltaDiscoveryRequest::default()
    }
}

fn send(stream: &mut ServerStream, request: DeltaDiscoveryRequest) -> Reaction {
    stream.receive(Request::Delta(Box::new(request)))
}

fn send_world(stream: &mut ServerStream, request: DiscoveryRequest) -> Reaction {
    stream.receive(Request::StateOfTheWorld(Box::new(request)))
}

fn names(response: &Response) -> Vec<String> {
    response
        .payload
        .iter()
        .map(|r| r.name.to_string())
        .collect()
}

#[test]
fn a_first_delta_request_without_names_subscribes_to_everything() {
    let mut stream = stream(Variant::Delta);
    let demand = send(&mut stream, delta(CDS, &[])).demand.expect("a demand");
    assert!(stream.watch(CDS).expect("watched").wildcard());
    let current = set(CDS, &[("a", "1"), ("b", "1")]);
    let response = stream
        .answer(&demand, &current, &version())
        .expect("an answer");
    assert_eq!(names(&response), ["a", "b"]);
    assert!(stream.push(CDS, &current, &version()).is_none());
}

#[test]
fn an_empty_first_answer_is_sent_all_the_same() {
    let mut stream = stream(Variant::Delta);
    let demand = send(&mut stream, delta(CDS, &[])).demand.expect("a demand");
    let response = stream.answer(&demand, &set(CDS, &[]), &version());
    assert!(response.expect("an answer").payload.is_empty());
}

#[test]
fn a_name_that_does_not_exist_is_reported_as_removed() {
    let mut stream = stream(Variant::Delta);
    let demand = send(&mut stream, delta(EDS, &["a", "ghost"]))
        .demand
        .expect("a demand");
    let response = stream
        .answer(&demand, &set(EDS, &[("a", "1")]), &version())
        .expect("an answer");
    assert_eq!(names(&response), ["a"]);
    assert_eq!(response.removed, ["ghost"]);
}

#[test]
fn a_delta_push_sends_only_what_changed() {
    let mut stream = stream(Variant::Delta);
    let demand = send(&mut stream, delta(CDS, &[])).demand.expect("a demand");
    let first = set(CDS, &[("a", "1"), ("b", "1")]);
    stream.answer(&demand, &first, &version());
    let response = stream
        .push(CDS, &set(CDS, &[("a", "2"), ("c", "1")]), &version())
        .expect("a push");
    assert_eq!(names(&response), ["a", "c"]);
    assert_eq!(response.removed, ["b"]);
}

#[test]
fn a_subscription_is_answered_with_the_new_names_and_with_what_changed_meanwhile() {
    let mut stream = stream(Variant::Delta);
    let demand = send(&mut stream, delta(EDS, &["a"]))
        .demand
        .expect("a demand");
    stream.answer(&demand, &set(EDS, &[("a", "1")]), &version());
    let demand = send(&mut stream, delta(EDS, &["b"]))
        .demand
        .expect("a demand");
    let response = stream
        .answer(&demand, &set(EDS, &[("a", "2"), ("b", "1")]), &version())
        .expect("an answer");
    assert_eq!(names(&response), ["a", "b"]);
}

#[test]
fn subscribing_again_sends_the_resource_again() {
    let mut stream = stream(Variant::Delta);
    let current = set(EDS, &[("a", "1"), ("b", "1")]);
    let demand = send(&mut stream, delta(EDS, &["a", "b"]))
        .demand
        .expect("a demand");
    stream.answer(&demand, &current, &version());
    let demand = send(&mut stream, delta(EDS, &["b"]))
        .demand
        .expect("a demand");
    let response = stream
        .answer(&demand, &current, &version())
        .expect("an answer");
    assert_eq!(names(&response), ["b"]);
}

#[test]
fn a_name_that_was_given_up_is_neither_sent_nor_reported_as_removed() {
    let mut stream = stream(Variant::Delta);
    let demand = send(&mut stream, delta(EDS, &["a", "b"]))
        .demand
        .expect("a demand");
    stream.answer(&demand, &set(EDS, &[("a", "1"), ("b", "1")]), &version());
    let request = DeltaDiscoveryRequest {
        resource_names_unsubscribe: vec!["b".into()],
        ..delta(EDS, &[])
    };
    assert_eq!(send(&mut stream, request).demand, None);
    assert!(
        stream
            .push(EDS, &set(EDS, &[("a", "1")]), &version())
            .is_none()
    );
    let response = stream
        .push(EDS, &set(EDS, &[]), &version())
        .expect("a push");
    assert_eq!(response.removed, ["a"]);
}

#[test]
fn a_reconnecting_client_gets_only_what_it_lacks() {
    let mut stream = stream(Variant::Delta);
    let current = set(CDS, &[("a", "1"), ("b", "2"), ("c", "1")]);
    let held = |name: &str, text: &str| {
        let resource = EncodedResource::new(CDS, name, text.as_bytes());
        (name.to_owned(), resource.version.to_string())
    };
    let request = DeltaDiscoveryRequest {
        initial_resource_versions: HashMap::from([
            held("a", "1"),
            held("b", "1"),
            held("gone", "1"),
            ("foreign".to_owned(), "2026/1".to_owned()),
        ]),
        ..delta(CDS, &[])
    };
    let demand = send(&mut stream, request).demand.expect("a demand");
    let response = stream
        .answer(&demand, &current, &version())
        .expect("an answer");
    assert_eq!(names(&response), ["b", "c"]);
    assert_eq!(response.removed, ["foreign", "gone"]);
}

#[test]
fn a_rejection_is_kept_until_the_next_acknowledgement_and_nothing_is_sent_again() {
    let mut stream = stream(Variant::Delta);
    let demand = send(&mut stream, delta(CDS, &[])).demand.expect("a demand");
    let current = set(CDS, &[("a", "bad")]);
    let nonce = stream
        .answer(&demand, &current, &version())
        .expect("an answer")
        .nonce;
    let request = DeltaDiscoveryRequest {
        response_nonce: nonce.to_string(),
        error_detail: Some(Status {
            message: "no such filter".into(),
            ..Status::default()
        }),
        ..delta(CDS, &[])
    };
    let reaction = send(&mut stream, request);
    assert_eq!(
        reaction.verdict,
        Some(Verdict::Rejected("no such filter".into()))
    );
    assert_eq!(reaction.demand, None);
    assert!(stream.push(CDS, &current, &version()).is_none());
    let watch = stream.watch(CDS).expect("watched");
    assert_eq!(watch.rejection().expect("kept").detail, "no such filter");
    assert_eq!((watch.rejections(), watch.nonce_acked()), (1, ""));

    let fixed = set(CDS, &[("a", "good")]);
    let nonce = stream.push(CDS, &fixed, &version()).expect("a push").nonce;
    let request = DeltaDiscoveryRequest {
        response_nonce: nonce.to_string(),
        ..delta(CDS, &[])
    };
    assert_eq!(send(&mut stream, request).verdict, Some(Verdict::Accepted));
    let watch = stream.watch(CDS).expect("watched");
    assert_eq!(watch.rejection(), None);
    assert_eq!(watch.nonce_acked(), &*nonce);
    assert_eq!(watch.rejections(), 1);
}

#[test]
fn an_unknown_nonce_is_no_verdict() {
    let mut stream = stream(Variant::Delta);
    send(&mut stream, delta(CDS, &[]));
    let request = DeltaDiscoveryRequest {
        response_nonce: "n77".into(),
        ..delta(CDS, &[])
    };
    assert_eq!(send(&mut stream, request), Reaction::default());
}

fn world(type_url: &str, names: &[&str], nonce: &str) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: type_url.into(),
        resource_names: names.iter().map(ToString::to_string).collect(),
        response_nonce: nonce.into(),
        ..DiscoveryRequest::default()
    }
}

#[test]
fn a_wildcard_type_is_always_sent_whole_in_state_of_the_world() {
    let mut stream = stream(Variant::StateOfTheWorld);
    let demand = send_world(&mut stream, world(CDS, &[], ""))
        .demand
        .expect("a demand");
    stream.answer(&demand, &set(CDS, &[("a", "1"), ("b", "1")]), &version());
    let response = stream
        .push(CDS, &set(CDS, &[("a", "2"), ("b", "1")]), &version())
        .expect("a push");
    assert_eq!(names(&response), ["a", "b"]);
    let gone = stream.push(CDS, &set(CDS, &[("b", "1")]), &version());
    assert_eq!(names(&gone.expect("a push")), ["b"]);
}

#[test]
fn an_acknowledgement_with_the_same_names_asks_for_nothing() {
    let mut stream = stream(Variant::StateOfTheWorld);
    let demand = send_world(&mut stream, world(EDS, &["a"], ""))
        .demand
        .expect("a demand");
    let nonce = stream
        .answer(&demand, &set(EDS, &[("a", "1")]), &version())
        .expect("an answer")
        .nonce;
    let reaction = send_world(&mut stream, world(EDS, &["a"], &nonce));
    assert_eq!(reaction.verdict, Some(Verdict::Accepted));
    assert_eq!(reaction.demand, None);
}

#[test]
fn an_added_name_is_answered_alone_and_a_stale_nonce_is_ignored() {
    let mut stream = stream(Variant::StateOfTheWorld);
    let demand = send_world(&mut stream, world(EDS, &["a"], ""))
        .demand
        .expect("a demand");
    let both = set(EDS, &[("a", "1"), ("b", "1")]);
    let nonce = stream.answer(&demand, &set(EDS, &[("a", "1")]), &version());
    let nonce = nonce.expect("an answer").nonce;
    let demand = send_world(&mut stream, world(EDS, &["a", "b"], &nonce)).demand;
    let response = stream.answer(&demand.expect("a demand"), &both, &version());
    assert_eq!(names(&response.expect("an answer")), ["b"]);
    let stale = send_world(&mut stream, world(EDS, &["a", "c"], &nonce));
    assert_eq!(stale, Reaction::default());
}

#[test]
fn no_names_end_the_subscription_of_a_named_type() {
    let mut stream = stream(Variant::StateOfTheWorld);
    let demand = send_world(&mut stream, world(EDS, &["a"], ""))
        .demand
        .expect("a demand");
    let current = set(EDS, &[("a", "1")]);
    let nonce = stream
        .answer(&demand, &current, &version())
        .expect("an answer")
        .nonce;
    send_world(&mut stream, world(EDS, &[], &nonce));
    assert!(stream.watch(EDS).is_none());
    assert!(stream.push(EDS, &current, &version()).is_none());
}

#[test]
fn endpoints_are_answered_again_once_clusters_were_sent() {
    let mut stream = stream(Variant::StateOfTheWorld);
    let clusters = send_world(&mut stream, world(CDS, &[], ""))
        .demand
        .expect("a demand");
    stream.answer(&clusters, &set(CDS, &[("a", "1")]), &version());
    let endpoints = set(EDS, &[("a", "1")]);
    let demand = send_world(&mut stream, world(EDS, &["a"], ""))
        .demand
        .expect("a demand");
    let nonce = stream
        .answer(&demand, &endpoints, &version())
        .expect("an answer")
        .nonce;
    assert_eq!(
        send_world(&mut stream, world(EDS, &["a"], &nonce)).demand,
        None
    );
    stream.push(CDS, &set(CDS, &[("a", "2")]), &version());
    let again = send_world(&mut stream, world(EDS, &["a"], &nonce))
        .demand
        .expect("a demand");
    let response = stream.answer(&again, &endpoints, &version());
    assert_eq!(names(&response.expect("an answer")), ["a"]);
}

/// Puts the pieces of a response together and drops the gRPC header.
fn message(response: Response) -> Vec<u8> {
    let length = response.encoded_len();
    let mut encoder = ResponseEncoder::new(response);
    let bytes: Vec<u8> = std::iter::from_fn(|| encoder.next_piece())
        .flatten()
        .collect();
    assert_eq!(bytes[0], 0);
    assert_eq!(bytes[1..5], (length as u32).to_be_bytes());
    bytes[5..].to_vec()
}

#[test]
fn the_pieces_of_a_long_delta_response_make_the_message() {
    let long = "x".repeat(50_000);
    let current = set(CDS, &[("a", &long), ("b", "short"), ("c", &long)]);
    let response = Response {
        variant: Variant::Delta,
        type_url: CDS.into(),
        nonce: "n1".into(),
        version: "v1".into(),
        payload: Payload::All(current),
        removed: vec!["gone".into()],
    };
    let decoded = DeltaDiscoveryResponse::decode(message(response).as_slice()).expect("valid");
    assert_eq!(
        (decoded.nonce.as_str(), decoded.type_url.as_str()),
        ("n1", CDS)
    );
    assert_eq!(decoded.system_version_info, "v1");
    assert_eq!(decoded.removed_resources, ["gone"]);
    let first = &decoded.resources[0];
    assert_eq!(first.name, "a");
    assert_eq!(
        first.resource.as_ref().expect("a body").value,
        long.as_bytes()
    );
    assert_eq!(decoded.resources[1].version.len(), 16);
    assert_eq!(decoded.resources.len(), 3);
}

#[test]
fn an_empty_state_of_the_world_response_is_a_message_too() {
    let response = Response {
        variant: Variant::StateOfTheWorld,
        type_url: CDS.into(),
        nonce: "n1".into(),
        version: "v1".into(),
        payload: Payload::Some(Vec::new()),
        removed: Vec::new(),
    };
    let decoded = DiscoveryResponse::decode(message(response).as_slice()).expect("valid");
    assert_eq!(decoded.version_info, "v1");
    assert!(decoded.resources.is_empty());
}
