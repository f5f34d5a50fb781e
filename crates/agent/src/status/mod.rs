//! The status server: readiness, merged metrics, the application's probes, and the way out.
//!
//! In: settings, a handle on the data plane, the agent's numbers. Out: an HTTP service on the status
//! port; for our own data plane also the readiness and Prometheus ports, which a stock Envoy serves
//! by listeners of its bootstrap. Requests that end or drain the process are only taken from the
//! same host.

mod merge;
mod probe;
mod server;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ferromesh_runtime::Published;
use tokio::sync::{Notify, watch};

pub use server::{StatusError, serve};

use crate::data_plane::DataPlaneControl;
use crate::dns::NameIndex;
use crate::metrics::AgentMetrics;
use crate::settings::StatusSettings;

/// What the handlers share.
pub struct StatusState {
    /// Settings.
    pub settings: StatusSettings,
    /// The data plane.
    pub data_plane: Arc<dyn DataPlaneControl>,
    /// The agent's numbers.
    pub metrics: AgentMetrics,
    /// Names that the DNS proxy knows.
    pub names: Published<NameIndex>,
    /// Address at which the application is asked.
    pub application: IpAddr,
    /// Notified when the process is told to leave.
    pub quit: Arc<Notify>,
    /// Asks for a new certificate.
    pub rotate: watch::Sender<u64>,
}

impl std::fmt::Debug for StatusState {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("StatusState")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The service of the status port.
pub fn status_router(state: Arc<StatusState>) -> Router {
    Router::new()
        .route("/healthz/ready", get(ready))
        .route("/metrics", get(merged))
        .route("/stats/prometheus", get(merged))
        .route("/quitquitquit", post(quit))
        .route("/drain", post(drain))
        .route("/certificates/rotate", post(rotate))
        .route("/debug/ndsz", get(names))
        .route("/app-health/{*rest}", get(probe_application))
        .route("/app-lifecycle/{*rest}", get(probe_application))
        .with_state(state)
}

/// The service of the readiness port.
pub fn readiness_router(state: Arc<StatusState>) -> Router {
    Router::new()
        .route("/healthz/ready", get(ready))
        .with_state(state)
}

/// The service of the Prometheus port: the data plane's numbers only.
pub fn prometheus_router(state: Arc<StatusState>) -> Router {
    Router::new()
        .route("/stats/prometheus", get(data_plane_metrics))
        .with_state(state)
}

async fn ready(State(state): State<Arc<StatusState>>) -> Response {
    if state.metrics.certificate.load().is_none() {
        let reason = "waiting for the workload certificate\n";
        return (StatusCode::SERVICE_UNAVAILABLE, reason).into_response();
    }
    match state.data_plane.ready().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason + "\n").into_response(),
    }
}

async fn merged(State(state): State<Arc<StatusState>>) -> Response {
    let (kind, text) = merge::all(&state).await;
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn data_plane_metrics(State(state): State<Arc<StatusState>>) -> Response {
    match state.data_plane.metrics().await {
        Ok(text) => ([(header::CONTENT_TYPE, merge::TEXT)], text).into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason + "\n").into_response(),
    }
}

async fn quit(
    State(state): State<Arc<StatusState>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Response {
    if !peer.ip().to_canonical().is_loopback() {
        return refusal();
    }
    state.quit.notify_one();
    "OK\n".into_response()
}

async fn drain(
    State(state): State<Arc<StatusState>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Response {
    if !peer.ip().to_canonical().is_loopback() {
        return refusal();
    }
    state.data_plane.drain().await;
    "OK\n".into_response()
}

async fn rotate(
    State(state): State<Arc<StatusState>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Response {
    if !peer.ip().to_canonical().is_loopback() {
        return refusal();
    }
    state.rotate.send_modify(|count| *count += 1);
    "OK\n".into_response()
}

fn refusal() -> Response {
    (StatusCode::FORBIDDEN, "only from the same host\n").into_response()
}

async fn names(State(state): State<Arc<StatusState>>) -> Response {
    axum::Json(state.names.load().to_json()).into_response()
}

async fn probe_application(
    State(state): State<Arc<StatusState>>,
    Path(_rest): Path<String>,
    uri: axum::http::Uri,
    headers: HeaderMap,
) -> Response {
    let Some(asked) = state.settings.app_probes.get(uri.path()) else {
        let known: Vec<_> = state
            .settings
            .app_probes
            .keys()
            .map(String::as_str)
            .collect();
        let text = format!("no probe {}; known are: {}\n", uri.path(), known.join(", "));
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    match probe::ask(asked, state.application, &headers).await {
        Ok(answer) => answer.into_response(),
        Err(reason) => (StatusCode::INTERNAL_SERVER_ERROR, reason + "\n").into_response(),
    }
}

#[cfg(test)]
mod tests;
