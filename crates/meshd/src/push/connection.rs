//! One proxy's stream: its requests, its pushes, and what it has of each type.
//!
//! The stream's task is the only writer of its state; debug pages read it under the lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferromesh_model::{Proxy, ProxyView};
use ferromesh_proto::type_url;
use ferromesh_runtime::DrainSignal;
use ferromesh_translate::NodeFacts;
use ferromesh_types::Str;
use ferromesh_xds::server::{
    Demand, Response, ServerStream, ServerStreamSettings, Verdict, Wanted,
};
use ferromesh_xds::transport::server::{Outgoing, RequestStream};
use ferromesh_xds::{Request, Variant};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;
use tracing::{debug, info, warn};

use super::cache::Current;
use super::queue::Slot;
use super::request::{PushRequest, changes_view, touches};
use crate::control_plane::ControlPlane;

/// The order of a push: what is referred to comes before what refers to it.
const ORDER: [&str; 8] = [
    type_url::CLUSTER,
    type_url::ENDPOINT,
    type_url::LISTENER,
    type_url::ROUTE,
    type_url::SECRET,
    type_url::EXTENSION_CONFIG,
    type_url::NAME_TABLE,
    type_url::PROXY_CONFIG,
];

/// How this control plane treats types.
pub(crate) const STREAM_SETTINGS: ServerStreamSettings = ServerStreamSettings {
    wildcard_by_default: |kind| {
        !matches!(
            kind,
            type_url::ENDPOINT | type_url::ROUTE | type_url::SECRET | type_url::EXTENSION_CONFIG
        )
    },
    // An Envoy that loses an extension config closes the listener that waits for it.
    sends_removals: |kind| kind != type_url::EXTENSION_CONFIG,
    dependent_type: |kind| match kind {
        type_url::CLUSTER => Some(type_url::ENDPOINT),
        type_url::LISTENER => Some(type_url::ROUTE),
        _ => None,
    },
};

/// A connected proxy.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Unique in this process; Istio's form, node id and number.
    pub(crate) id: Str,
    /// What the node says beyond what the model reads.
    pub(crate) facts: NodeFacts,
    /// The peer's address.
    pub(crate) peer: Str,
    /// Since when.
    pub(crate) connected: time::OffsetDateTime,
    proxy: Proxy,
    view: Mutex<Arc<ProxyView>>,
    stream: Mutex<ServerStream>,
    slot: Slot,
}

impl Connection {
    /// A connection that has not asked for anything.
    pub(crate) fn new(
        plane: &ControlPlane,
        variant: Variant,
        id: Str,
        peer: Str,
        (proxy, facts): (Proxy, NodeFacts),
    ) -> Self {
        let view = plane.cache.current().snapshot.view_of(&proxy);
        let names = Arc::clone(&plane.names);
        Self {
            id,
            facts,
            peer,
            connected: time::OffsetDateTime::now_utc(),
            proxy,
            view: Mutex::new(Arc::new(view)),
            stream: Mutex::new(ServerStream::new(variant, STREAM_SETTINGS, names)),
            slot: Slot::default(),
        }
    }

    /// The proxy.
    pub(crate) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Where a push for it waits.
    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    /// What it may see.
    pub(crate) fn view(&self) -> Arc<ProxyView> {
        Arc::clone(&self.view.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What it asked for and has got. Do not hold this across an await.
    pub(crate) fn stream(&self) -> MutexGuard<'_, ServerStream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves the stream until one side ends it. `first` is the request that brought the node.
    pub(crate) async fn run(
        &self,
        plane: &ControlPlane,
        first: Request,
        mut requests: RequestStream,
        responses: mpsc::Sender<Outgoing>,
        mut drain: DrainSignal,
    ) {
        let mut ended = self.respond(plane, first, &responses).await;
        while ended.is_ok() {
            ended = tokio::select! {
                request = requests.next() => match request {
                    Ok(Some(request)) => self.respond(plane, request, &responses).await,
                    Ok(None) => return,
                    Err(status) => {
                        debug!(proxy = %self.proxy.id, %status, "the stream broke");
                        return;
                    }
                },
                () = self.slot.filled() => self.push(plane, &responses).await,
                () = drain.begun() => {
                    let status = Status::unavailable("the control plane is shutting down");
                    // The stream ends either way.
                    let _ = responses.send(Outgoing::Failed(status)).await;
                    return;
                }
            };
        }
    }

    /// Takes a request and sends the answer that it wants.
    async fn respond(
        &self,
        plane: &ControlPlane,
        request: Request,
        responses: &mpsc::Sender<Outgoing>,
    ) -> Result<(), Gone> {
        let kind = request.type_url().to_owned();
        if kind.is_empty() || kind == type_url::HEALTH || kind.starts_with(type_url::DEBUG) {
            debug!(proxy = %self.proxy.id, kind, "request ignored");
            return Ok(());
        }
        let reaction = self.stream().receive(request);
        if let Some(Verdict::Rejected(detail)) = &reaction.verdict {
            plane.metrics.rejected(&kind);
            warn!(proxy = %self.proxy.id, kind, detail = %detail, "the proxy rejected a response");
        }
        let Some(demand) = reaction.demand else {
            return Ok(());
        };
        let current = plane.cache.current();
        let answer = self.generate(plane, &current, &kind, Some(&demand.wanted));
        let endpoints = self.endpoints_again(plane, &current, answer.as_ref());
        for response in answer.into_iter().chain(endpoints) {
            self.send(plane, response, responses).await?;
        }
        Ok(())
    }

    /// Works off what waits in the slot: first everything is made, as one of the few that may do so
    /// at once, then it is sent as fast as the proxy reads.
    async fn push(
        &self,
        plane: &ControlPlane,
        responses: &mpsc::Sender<Outgoing>,
    ) -> Result<(), Gone> {
        let Ok(turn) = plane.scheduler.acquire().await else {
            return Ok(());
        };
        let Some(request) = self.slot.take() else {
            return Ok(());
        };
        let ready = self.prepare(plane, &request);
        drop(turn);
        if ready.is_empty() {
            return Ok(());
        }
        for response in ready {
            self.send(plane, response, responses).await?;
        }
        plane.metrics.converged(request.since.elapsed());
        Ok(())
    }

    fn prepare(&self, plane: &ControlPlane, request: &PushRequest) -> Vec<Response> {
        plane.metrics.queued(request.since.elapsed());
        let current = plane.cache.current();
        let affected = &request.affected;
        let other_view = changes_view(affected, &self.proxy) && self.look_again(&current);
        let mut ready = Vec::new();
        for kind in ORDER {
            if !other_view && !touches(affected, kind, &self.proxy) {
                continue;
            }
            let response = self.generate(plane, &current, kind, None);
            let endpoints = self.endpoints_again(plane, &current, response.as_ref());
            ready.extend(response.into_iter().chain(endpoints));
        }
        ready
    }

    /// Makes the view again; true if it is another one.
    fn look_again(&self, current: &Current) -> bool {
        let new = current.snapshot.view_of(&self.proxy);
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if **view == new {
            return false;
        }
        *view = Arc::new(new);
        true
    }

    /// The response that brings the proxy to the current state of one type, if it lacks anything.
    fn generate(
        &self,
        plane: &ControlPlane,
        current: &Current,
        kind: &str,
        wanted: Option<&Wanted>,
    ) -> Option<Response> {
        let names = Arc::clone(self.stream().watch(kind)?.names());
        let resources = plane
            .cache
            .resources(kind, &self.proxy, &self.view(), &names);
        let mut stream = self.stream();
        match wanted {
            None => stream.push(kind, &resources, &current.version),
            Some(wanted) => {
                let demand = Demand {
                    type_url: kind.into(),
                    wanted: wanted.clone(),
                };
                stream.answer(&demand, &resources, &current.version)
            }
        }
    }

    /// Delta: an Envoy that got a cluster anew waits for its endpoints although it has them, and
    /// does not ask for them again. They are sent once more.
    fn endpoints_again(
        &self,
        plane: &ControlPlane,
        current: &Current,
        response: Option<&Response>,
    ) -> Option<Response> {
        let clusters =
            response.filter(|r| r.variant == Variant::Delta && r.type_url == type_url::CLUSTER)?;
        let names: Vec<Str> = {
            let stream = self.stream();
            let watch = stream.watch(type_url::ENDPOINT)?;
            let changed = clusters.payload.iter().map(|resource| &resource.name);
            changed
                .filter(|name| watch.names().contains(name))
                .cloned()
                .collect()
        };
        if names.is_empty() {
            return None;
        }
        let wanted = Wanted::Names(names);
        self.generate(plane, current, type_url::ENDPOINT, Some(&wanted))
    }

    async fn send(
        &self,
        plane: &ControlPlane,
        response: Response,
        responses: &mpsc::Sender<Outgoing>,
    ) -> Result<(), Gone> {
        plane.metrics.sent(&response);
        debug!(
            proxy = %self.proxy.id,
            kind = %response.type_url,
            nonce = %response.nonce,
            resources = response.payload.len(),
            removed = response.removed.len(),
            "sent"
        );
        responses
            .send(Outgoing::Response(response))
            .await
            .map_err(|_| Gone)
    }
}

/// The proxy does not read any more.
#[derive(Debug)]
struct Gone;

/// Says that a proxy came; says that it left when dropped.
pub(crate) struct ConnectionGuard<'a> {
    plane: &'a ControlPlane,
    connection: Arc<Connection>,
    since: Instant,
}

impl<'a> ConnectionGuard<'a> {
    /// Adds the connection to those that get pushes.
    pub(crate) fn new(plane: &'a ControlPlane, connection: Arc<Connection>) -> Self {
        plane.connections.add(Arc::clone(&connection));
        plane.metrics.proxies(plane.connections.len());
        info!(proxy = %connection.proxy.id, peer = %connection.peer, "proxy connected");
        Self {
            plane,
            connection,
            since: Instant::now(),
        }
    }
}

impl Drop for ConnectionGuard<'_> {
    fn drop(&mut self) {
        self.plane.connections.remove(&self.connection.id);
        self.plane.metrics.proxies(self.plane.connections.len());
        info!(
            proxy = %self.connection.proxy.id,
            seconds = self.since.elapsed().as_secs(),
            "proxy disconnected"
        );
    }
}
