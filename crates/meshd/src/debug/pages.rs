//! The table of pages.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::access::DebugAccess;
use super::{config_dump, mesh, sync};
use crate::control_plane::ControlPlane;

type Plane = State<Arc<ControlPlane>>;
type Parameters = Query<std::collections::BTreeMap<String, String>>;

/// The names under `/debug/`, for the list page.
const PAGES: [&str; 12] = [
    "config_dump?proxyID=ID",
    "configz",
    "connections",
    "endpointz",
    "list",
    "mesh",
    "ndsz?proxyID=ID",
    "problems",
    "push_status",
    "registryz",
    "syncz",
    "cachez",
];

/// The debug port.
pub(crate) fn debug_routes(plane: Arc<ControlPlane>, access: DebugAccess) -> Router {
    Router::new()
        .route("/ready", get(ready))
        .merge(debug_pages(access))
        .with_state(plane)
}

/// The monitoring port.
pub(crate) fn monitoring_routes(plane: Arc<ControlPlane>, access: DebugAccess) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .merge(debug_pages(access))
        .with_state(plane)
}

fn debug_pages(access: DebugAccess) -> Router<Arc<ControlPlane>> {
    Router::new()
        .route(
            "/debug/syncz",
            get(|plane: Plane| async move { Json(sync::status(&plane)) }),
        )
        .route(
            "/debug/connections",
            get(|plane: Plane| async move { Json(sync::connections(&plane)) }),
        )
        .route("/debug/config_dump", get(dump))
        .route("/debug/ndsz", get(names))
        .route(
            "/debug/endpointz",
            get(|plane: Plane| async move { Json(mesh::endpoints(&plane)) }),
        )
        .route(
            "/debug/registryz",
            get(|plane: Plane| async move { Json(mesh::services(&plane)) }),
        )
        .route(
            "/debug/push_status",
            get(|plane: Plane| async move { Json(sync::push_status(&plane)) }),
        )
        .route(
            "/debug/configz",
            get(|plane: Plane| async move { Json(mesh::config(&plane)) }),
        )
        .route(
            "/debug/problems",
            get(|plane: Plane| async move { Json(mesh::problems(&plane)) }),
        )
        .route(
            "/debug/mesh",
            get(|plane: Plane| async move { mesh::mesh_config(&plane) }),
        )
        .route(
            "/debug/cachez",
            get(|plane: Plane| async move { Json(sync::cache(&plane)) }),
        )
        .route("/debug/list", get(|| async { PAGES.join("\n") + "\n" }))
        .layer(from_fn_with_state(access, DebugAccess::check))
}

async fn ready(plane: Plane) -> Response {
    if plane.is_ready() {
        return (StatusCode::OK, "ready\n").into_response();
    }
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "the config is not read yet\n",
    )
        .into_response()
}

async fn metrics(plane: Plane) -> Response {
    let kind = (
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    );
    ([kind], plane.metrics.text()).into_response()
}

async fn version() -> Json<Value> {
    Json(json!({"version": env!("CARGO_PKG_VERSION"), "product": "ferromesh"}))
}

async fn dump(plane: Plane, parameters: Parameters) -> Response {
    of_proxy(&plane, &parameters, |plane, id| {
        plane
            .connections
            .of_proxy(id)
            .map(|c| config_dump::dump(&c))
    })
}

async fn names(plane: Plane, parameters: Parameters) -> Response {
    of_proxy(&plane, &parameters, |plane, id| {
        let connection = plane.connections.of_proxy(id)?;
        Some(config_dump::name_table(plane, &connection))
    })
}

fn of_proxy(
    plane: &ControlPlane,
    parameters: &Parameters,
    page: impl Fn(&ControlPlane, &str) -> Option<Value>,
) -> Response {
    let Some(id) = parameters.get("proxyID") else {
        let reason = "name the proxy: ?proxyID=NAME.NAMESPACE\n";
        return (StatusCode::BAD_REQUEST, reason).into_response();
    };
    match page(plane, id) {
        Some(value) => Json(value).into_response(),
        None => {
            let reason = format!("no proxy {id} is connected; see /debug/connections\n");
            (StatusCode::NOT_FOUND, reason).into_response()
        }
    }
}
