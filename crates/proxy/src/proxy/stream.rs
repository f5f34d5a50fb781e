//! Following an aggregated stream: each update is compiled, published and answered.

use std::time::Instant;

use ferromesh_proto::type_url;
use ferromesh_xds::client::{Command, Event, TypeUpdate};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{ProxyHandle, lock};
use crate::snapshot::{Verdict, names_others};

impl ProxyHandle {
    /// Subscribes to clusters and listeners and follows the stream until its events end. Types that
    /// are not the proxy's are left to whoever reads the stream before.
    pub async fn run_xds(
        &self,
        mut events: mpsc::Receiver<Event>,
        commands: mpsc::Sender<Command>,
    ) {
        for kind in [type_url::CLUSTER, type_url::LISTENER] {
            if commands
                .send(Command::Wildcard(kind.to_owned()))
                .await
                .is_err()
            {
                return;
            }
        }
        while let Some(event) = events.recv().await {
            match event {
                Event::Connected => {
                    self.shared.control.connected_state().set(1);
                    info!("connected to the control plane");
                }
                Event::Disconnected { reason } => {
                    self.shared.control.connected_state().set(0);
                    warn!(%reason, "disconnected from the control plane; the last config stays");
                }
                Event::Update(update) => {
                    for command in self.apply_update(&update) {
                        if commands.send(command).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Compiles and publishes one update of the stream; gives the answer and the subscriptions that
    /// follow from it. Empty for types that are not the proxy's.
    pub fn apply_update(&self, update: &TypeUpdate) -> Vec<Command> {
        if !is_ours(&update.type_url) {
            return Vec::new();
        }
        let mut live = lock(&self.shared.live);
        let verdict = live.apply(update, Instant::now());
        let subscriptions = if names_others(&update.type_url) {
            self.resolve(&live);
            live.subscribe()
        } else {
            Vec::new()
        };
        let seen = live.has_seen(type_url::CLUSTER) && live.has_seen(type_url::LISTENER);
        drop(live);
        if seen {
            lock(&self.shared.readiness)
                .configured
                .get_or_insert_with(Instant::now);
        }
        self.count(update, &verdict);
        std::iter::once(answer(update, &verdict))
            .chain(subscriptions)
            .collect()
    }

    fn count(&self, update: &TypeUpdate, verdict: &Verdict) {
        let control = &self.shared.control;
        let accepted = verdict.refusals.is_empty();
        match (update.type_url.as_str(), accepted) {
            (type_url::CLUSTER, true) => control.cds_update_success().inc(),
            (type_url::CLUSTER, false) => control.cds_update_rejected().inc(),
            (type_url::LISTENER, true) => control.lds_update_success().inc(),
            (type_url::LISTENER, false) => control.lds_update_rejected().inc(),
            _ => {}
        }
    }
}

fn is_ours(kind: &str) -> bool {
    [
        type_url::CLUSTER,
        type_url::ENDPOINT,
        type_url::LISTENER,
        type_url::ROUTE,
        type_url::SECRET,
    ]
    .contains(&kind)
}

fn answer(update: &TypeUpdate, verdict: &Verdict) -> Command {
    let type_url = update.type_url.clone();
    let nonce = update.nonce.clone();
    match verdict.nack() {
        None => Command::Ack { type_url, nonce },
        Some(detail) => Command::Nack {
            type_url,
            nonce,
            detail,
        },
    }
}
