//! Keeps a [`ClientStream`] connected: connects, carries messages, reconnects with backoff.

use std::sync::Arc;
use std::time::Duration;

use ferromesh_proto::envoy::config::core::v3::Node;
use ferromesh_runtime::Backoff;
use tokio::sync::mpsc;

use super::event::{Command, Event};
use super::machine::ClientStream;
use crate::Variant;
use crate::transport::client::{self, CallMetadata, Connector, RequestSender};

/// How to reach the control plane and how to behave towards it.
#[derive(Clone, Debug)]
pub struct AdsClientSettings {
    /// Which protocol to speak.
    pub variant: Variant,
    /// Who we are.
    pub node: Node,
    /// The `:authority` of the calls, as in `istiod.istio-system.svc:15012`.
    pub authority: String,
    /// The wait before the first retry; it doubles up to `backoff_cap`, with full jitter.
    pub backoff_base: Duration,
    /// The longest wait between two tries.
    pub backoff_cap: Duration,
}

impl AdsClientSettings {
    /// Delta, with Envoy's own waits: 500 ms to 30 s is its default, halved in base because a
    /// restarted control plane is usually back within a second.
    pub fn new(node: Node, authority: impl Into<String>) -> Self {
        Self {
            variant: Variant::Delta,
            node,
            authority: authority.into(),
            backoff_base: Duration::from_millis(250),
            backoff_cap: Duration::from_secs(30),
        }
    }
}

/// An ADS client. [`AdsClient::run`] is its life.
pub struct AdsClient {
    settings: AdsClientSettings,
    connector: Arc<dyn Connector>,
    metadata: Arc<CallMetadata>,
}

impl std::fmt::Debug for AdsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdsClient")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl AdsClient {
    /// `connector` opens the byte stream (with TLS or without); `metadata` gives the headers of each
    /// call, so that a rotated token is read again for each connection.
    pub fn new(
        settings: AdsClientSettings,
        connector: Arc<dyn Connector>,
        metadata: Arc<CallMetadata>,
    ) -> Self {
        Self {
            settings,
            connector,
            metadata,
        }
    }

    /// Runs until the commands or the events have no other end any more.
    pub async fn run(self, mut commands: mpsc::Receiver<Command>, events: mpsc::Sender<Event>) {
        let mut machine = ClientStream::new(self.settings.variant, self.settings.node.clone());
        let mut backoff = Backoff::new(self.settings.backoff_base, self.settings.backoff_cap);
        loop {
            let mut answered = false;
            let ended = self
                .one_connection(&mut machine, &mut commands, &events, &mut answered)
                .await;
            machine.disconnected();
            let Err(reason) = ended else { return };
            if answered {
                backoff.reset();
            }
            if events.send(Event::Disconnected { reason }).await.is_err() {
                return;
            }
            let wait = tokio::time::sleep(backoff.next_random());
            tokio::pin!(wait);
            loop {
                tokio::select! {
                    () = &mut wait => break,
                    command = commands.recv() => match command {
                        // While disconnected a command only changes what the next stream asks for.
                        Some(command) => drop(machine.command(command)),
                        None => return,
                    },
                }
            }
        }
    }

    /// `Ok` when the consumer is gone, `Err` with the reason when the stream ended.
    async fn one_connection(
        &self,
        machine: &mut ClientStream,
        commands: &mut mpsc::Receiver<Command>,
        events: &mpsc::Sender<Event>,
        answered: &mut bool,
    ) -> Result<(), String> {
        let headers = (self.metadata)().map_err(|error| error.to_string())?;
        let channel = client::channel(&self.settings.authority, Arc::clone(&self.connector))
            .map_err(|error| error.to_string())?;
        let first = machine.connected();
        // Envoy and Istio's control plane answer the headers of a stream only with the first
        // response, so that requests have to be on their way before the call is awaited.
        let (requests, opening) = client::open(channel, machine.variant(), headers, first);
        let mut opening = Box::pin(opening);
        let mut replies = loop {
            tokio::select! {
                opened = &mut opening => break opened.map_err(|status| client::describe(&status))?,
                command = commands.recv() => match command {
                    Some(command) => forward(machine, command, &requests).await?,
                    None => return Ok(()),
                },
            }
        };
        if events.send(Event::Connected).await.is_err() {
            return Ok(());
        }
        loop {
            tokio::select! {
                reply = replies.next() => {
                    let reply = reply
                        .map_err(|status| client::describe(&status))?
                        .ok_or("the control plane ended the stream")?;
                    *answered = true;
                    if let Some(update) = machine.receive(reply)
                        && events.send(Event::Update(update)).await.is_err()
                    {
                        return Ok(());
                    }
                }
                command = commands.recv() => match command {
                    Some(command) => forward(machine, command, &requests).await?,
                    None => return Ok(()),
                },
            }
        }
    }
}

async fn forward(
    machine: &mut ClientStream,
    command: Command,
    requests: &RequestSender,
) -> Result<(), String> {
    match machine.command(command) {
        Some(request) => requests.send(request).await,
        None => Ok(()),
    }
}
