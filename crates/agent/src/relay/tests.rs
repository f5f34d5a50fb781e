//! The relay between our own client and server.

use std::collections::BTreeMap;
use std::time::Duration;

use ferromesh_proto::envoy::config::core::v3::Node;
use ferromesh_proto::istio::nds::NameTable;
use ferromesh_proto::istio::nds::name_table::NameInfo;
use ferromesh_proto::type_url;
use ferromesh_xds::client::{AdsClient, AdsClientSettings, Command, Event};
use ferromesh_xds::server::{ServerStream, ServerStreamSettings};
use ferromesh_xds::transport::client::BoxedStream;
use ferromesh_xds::transport::server::{OpenStream, Outgoing, serve_connection};
use ferromesh_xds::{EncodedResource, NameInterner, ResourceSet};
use futures_util::FutureExt as _;
use http::HeaderMap;
use prost::Message as _;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::mpsc;

use super::*;
use crate::settings::{Arguments, Role, Settings};

/// A control plane that has one resource per type and reports every request's type.
async fn control_plane(seen: mpsc::UnboundedSender<String>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let handler = Arc::new(move |open: OpenStream| {
        tokio::spawn(answer(open, seen.clone()));
        Ok(())
    });
    let routes = Arc::new(Routes::new().aggregated_discovery(handler));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let peer = http::Extensions::new();
            let routes = Arc::clone(&routes);
            tokio::spawn(serve_connection(
                stream,
                routes,
                peer,
                std::future::pending(),
            ));
        }
    });
    port
}

async fn answer(mut open: OpenStream, seen: mpsc::UnboundedSender<String>) {
    let settings = ServerStreamSettings {
        wildcard_by_default: |_| true,
        sends_removals: |_| true,
        dependent_type: |_| None,
    };
    let mut stream = ServerStream::new(open.variant, settings, Arc::new(NameInterner::default()));
    while let Ok(Some(request)) = open.requests.next().await {
        let _ = seen.send(format!(
            "{} {}",
            request.type_url(),
            request.rejection().is_some()
        ));
        let Some(demand) = stream.receive(request).demand else {
            continue;
        };
        let entry = NameInfo {
            ips: vec!["10.1.1.1".to_owned()],
            ..NameInfo::default()
        };
        let table = NameTable {
            table: [("a.test".to_owned(), entry)].into(),
        };
        let encoded = table.encode_to_vec();
        let resource = EncodedResource::new(&demand.type_url, "one", &encoded);
        let set: Arc<ResourceSet> = Arc::new([Arc::new(resource)].into_iter().collect());
        if let Some(response) = stream.answer(&demand, &set, &"1".into()) {
            let _ = open.responses.send(Outgoing::Response(response)).await;
        }
    }
}

fn settings(port: u16) -> Settings {
    let config = format!(
        "{{\"discoveryAddress\":\"127.0.0.1:{port}\",\"controlPlaneAuthPolicy\":\"NONE\"}}"
    );
    let variables = BTreeMap::from([
        ("PROXY_CONFIG".to_owned(), config),
        ("FERROMESH_ROOT".to_owned(), "/nonexistent".to_owned()),
    ]);
    Settings::read(Role::Sidecar, &Arguments::default(), variables).expect("readable")
}

#[tokio::test]
async fn listeners_pass_through_and_the_name_table_is_kept_back() {
    let (seen_sender, mut seen) = mpsc::unbounded_channel();
    let port = control_plane(seen_sender).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("XDS");
    let names = NameTableSink::new("default", Vec::new());
    let mut reader = names.reader();
    let server = ControlPlane::new(settings(port).discovery);
    let counters = Arc::new(DiscoveryCounters::default());
    let relay = DiscoveryRelay::bind(&path, server, Some(names), counters).expect("bound");
    tokio::spawn(relay.run());

    let connector = move || {
        let path = path.clone();
        async move { Ok(Box::new(UnixStream::connect(path).await?) as BoxedStream) }.boxed()
    };
    let envoy = AdsClient::new(
        AdsClientSettings::new(Node::default(), "agent:1"),
        Arc::new(connector),
        Arc::new(|| Ok(HeaderMap::new())),
    );
    let (commands, receiver) = mpsc::channel(8);
    let (sender, mut events) = mpsc::channel(8);
    tokio::spawn(envoy.run(receiver, sender));
    let wish = Command::Wildcard(type_url::LISTENER.to_owned());
    commands.send(wish).await.expect("alive");

    let update = loop {
        let event = tokio::time::timeout(Duration::from_secs(10), events.recv()).await;
        match event.expect("in time").expect("alive") {
            Event::Update(update) => break update,
            Event::Connected | Event::Disconnected { .. } => {}
        }
    };
    assert_eq!(update.type_url, type_url::LISTENER);
    assert!(reader.changed().await);
    assert!(reader.load().find("a.test").is_some());
    assert_eq!(
        seen.recv().await,
        Some(format!("{} false", type_url::LISTENER))
    );
    // The subscription, then the agreement.
    for _ in 0..2 {
        assert_eq!(
            seen.recv().await,
            Some(format!("{} false", type_url::NAME_TABLE))
        );
    }
}
