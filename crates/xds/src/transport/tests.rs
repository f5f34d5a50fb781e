//! Client and server over an in-memory byte stream.

use std::io;
use std::sync::Arc;

use ferromesh_proto::envoy::config::core::v3::Node;
use ferromesh_types::Str;
use http::{Extensions, HeaderMap, HeaderValue};
use tokio::sync::mpsc;

use super::client::{BoxedStream, Connector};
use super::server::{OpenStream, Outgoing, Routes, serve_connection};
use crate::client::{AdsClient, AdsClientSettings, Command, Event};
use crate::server::{ServerStream, ServerStreamSettings};
use crate::{EncodedResource, NameInterner, ResourceSet, Variant};

const CDS: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";

const SETTINGS: ServerStreamSettings = ServerStreamSettings {
    wildcard_by_default: |type_url| type_url == CDS,
    sends_removals: |_| true,
    dependent_type: |_| None,
};

/// Who the acceptor says the peer is.
#[derive(Clone)]
struct Peer(&'static str);

/// Answers every demand with the same two resources, then ends after `answers` of them.
async fn answer(mut stream: OpenStream, answers: usize) {
    let mut machine =
        ServerStream::new(stream.variant, SETTINGS, Arc::new(NameInterner::default()));
    let long = "x".repeat(100_000);
    let current: Arc<ResourceSet> = Arc::new(
        [("a", long.as_str()), ("b", "short")]
            .into_iter()
            .map(|(name, text)| Arc::new(EncodedResource::new(CDS, name, text.as_bytes())))
            .collect(),
    );
    let mut answered = 0;
    while let Ok(Some(request)) = stream.requests.next().await {
        let reaction = machine.receive(request);
        if let Some(demand) = reaction.demand
            && let Some(response) = machine.answer(&demand, &current, &Str::from("v1"))
        {
            answered += 1;
            stream
                .responses
                .send(Outgoing::Response(response))
                .await
                .expect("the client reads");
        }
        if reaction.verdict.is_some() && answered == answers {
            let status = tonic::Status::unavailable("moving on");
            let _ = stream.responses.send(Outgoing::Failed(status)).await;
            return;
        }
    }
}

fn connector(routes: Arc<Routes>) -> Arc<dyn Connector> {
    Arc::new(
        move || -> futures_util::future::BoxFuture<'static, io::Result<BoxedStream>> {
            let (near, far) = tokio::io::duplex(64 * 1024);
            let mut peer = Extensions::new();
            peer.insert(Peer("spiffe://x"));
            tokio::spawn(serve_connection(
                far,
                Arc::clone(&routes),
                peer,
                std::future::pending(),
            ));
            Box::pin(async move { Ok(Box::new(near) as BoxedStream) })
        },
    )
}

async fn exchange(variant: Variant) {
    let handler = |stream: OpenStream| {
        if stream.headers.get("authorization").is_none() {
            return Err(tonic::Status::unauthenticated("no token"));
        }
        assert_eq!(
            stream.extensions.get::<Peer>().map(|p| p.0),
            Some("spiffe://x")
        );
        tokio::spawn(answer(stream, 1));
        Ok(())
    };
    let routes = Arc::new(Routes::new().aggregated_discovery(Arc::new(handler)));
    let mut settings = AdsClientSettings::new(Node::default(), "istiod.test:15012");
    settings.variant = variant;
    settings.backoff_base = std::time::Duration::from_millis(1);
    let metadata = || {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer x"));
        Ok(headers)
    };
    let client = AdsClient::new(settings, connector(routes), Arc::new(metadata));
    let (commands, receiver) = mpsc::channel(8);
    let (sender, mut events) = mpsc::channel(8);
    tokio::spawn(client.run(receiver, sender));
    commands
        .send(Command::Wildcard(CDS.into()))
        .await
        .expect("the client runs");
    for connection in 0..2 {
        assert_eq!(events.recv().await, Some(Event::Connected));
        let Some(Event::Update(update)) = events.recv().await else {
            panic!("an update follows");
        };
        // Delta: the second connection brings nothing, the client still holds both.
        let expected = if variant == Variant::Delta && connection == 1 {
            0
        } else {
            2
        };
        assert_eq!(update.resources.len(), expected);
        if expected == 2 {
            assert_eq!(update.resources[0].body.value.len(), 100_000);
        }
        let ack = Command::Ack {
            type_url: update.type_url,
            nonce: update.nonce,
        };
        commands.send(ack).await.expect("the client runs");
        let Some(Event::Disconnected { reason }) = events.recv().await else {
            panic!("the server ends the stream");
        };
        assert!(reason.contains("moving on"), "{reason}");
    }
}

#[tokio::test]
async fn a_delta_client_reconnects_and_is_spared_what_it_holds() {
    exchange(Variant::Delta).await;
}

#[tokio::test]
async fn a_state_of_the_world_client_reconnects() {
    exchange(Variant::StateOfTheWorld).await;
}

#[tokio::test]
async fn a_refused_stream_gives_its_reason() {
    let handler = |_: OpenStream| Err(tonic::Status::unauthenticated("no token"));
    let routes = Arc::new(Routes::new().aggregated_discovery(Arc::new(handler)));
    let settings = AdsClientSettings::new(Node::default(), "istiod.test:15012");
    let client = AdsClient::new(
        settings,
        connector(routes),
        Arc::new(|| Ok(HeaderMap::new())),
    );
    let (_commands, receiver) = mpsc::channel(8);
    let (sender, mut events) = mpsc::channel(8);
    tokio::spawn(client.run(receiver, sender));
    let Some(Event::Disconnected { reason }) = events.recv().await else {
        panic!("the stream is refused");
    };
    assert!(reason.contains("no token"), "{reason}");
}
