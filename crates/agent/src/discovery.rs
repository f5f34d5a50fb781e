//! Discovery for our own data plane: one client, whose name tables go to the DNS proxy and whose
//! every other event goes to the proxy.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ferromesh_proto::istio::nds::NameTable;
use ferromesh_proto::{any, type_url};
use ferromesh_xds::Variant;
use ferromesh_xds::client::{AdsClient, AdsClientSettings, Command, Event, TypeUpdate};
use tokio::sync::mpsc;

use crate::control_plane::ControlPlane;
use crate::metrics::DiscoveryCounters;
use crate::names::NameTableSink;
use crate::node::Node;

/// Commands and events that may wait; the consumer compiles one update at a time.
const WAITING: usize = 64;

/// The proxy's ends of the stream.
#[derive(Debug)]
pub struct DiscoveryStream {
    /// What the proxy wants.
    pub commands: mpsc::Sender<Command>,
    /// What it gets.
    pub events: mpsc::Receiver<Event>,
}

/// Starts the client as tasks of the current runtime. It ends when the proxy drops its ends.
pub fn start(
    node: &Node,
    delta: bool,
    control_plane: &ControlPlane,
    names: Option<NameTableSink>,
    counters: Arc<DiscoveryCounters>,
) -> DiscoveryStream {
    let mut settings =
        AdsClientSettings::new(node.to_proto("ferromesh"), control_plane.authority());
    if !delta {
        settings.variant = Variant::StateOfTheWorld;
    }
    let client = AdsClient::new(
        settings,
        control_plane.connector(),
        control_plane.metadata(),
    );
    let (commands, client_commands) = mpsc::channel(WAITING);
    let (client_events, received) = mpsc::channel(WAITING);
    let (sender, events) = mpsc::channel(WAITING);
    tokio::spawn(client.run(client_commands, client_events));
    let own = commands.clone();
    tokio::spawn(async move {
        if names.is_some() {
            // The client lives as long as this task reads from it.
            let _ = own
                .send(Command::Wildcard(type_url::NAME_TABLE.to_owned()))
                .await;
        }
        // Only a weak handle from here on: the client has to notice that the proxy is gone.
        let weak = own.downgrade();
        drop(own);
        split(received, &sender, &weak, names.as_ref(), &counters).await;
    });
    DiscoveryStream { commands, events }
}

async fn split(
    mut received: mpsc::Receiver<Event>,
    proxy: &mpsc::Sender<Event>,
    commands: &mpsc::WeakSender<Command>,
    names: Option<&NameTableSink>,
    counters: &DiscoveryCounters,
) {
    while let Some(event) = received.recv().await {
        match event {
            Event::Update(update) if update.type_url == type_url::NAME_TABLE => {
                counters.responses.fetch_add(1, Ordering::Relaxed);
                let Some(commands) = commands.upgrade() else {
                    return;
                };
                if commands.send(take(&update, names)).await.is_err() {
                    return;
                }
            }
            other => {
                note(&other, counters);
                if proxy.send(other).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn note(event: &Event, counters: &DiscoveryCounters) {
    let counter = match event {
        Event::Connected => &counters.connections,
        Event::Update(_) => &counters.responses,
        Event::Disconnected { .. } => &counters.failures,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

fn take(update: &TypeUpdate, names: Option<&NameTableSink>) -> Command {
    let table = update
        .resources
        .first()
        .map(|resource| any::unpack::<NameTable>(&resource.body));
    let (type_url, nonce) = (update.type_url.clone(), update.nonce.clone());
    match (table, names) {
        (Some(Ok(table)), Some(names)) => names.replace(&table),
        (Some(Err(error)), _) => {
            return Command::Nack {
                type_url,
                nonce,
                detail: error.to_string(),
            };
        }
        _ => {}
    }
    Command::Ack { type_url, nonce }
}
