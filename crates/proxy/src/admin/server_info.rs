//! `/ready`, `/server_info`, `/memory`, `/hot_restart_version`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ferromesh_proto::envoy::admin::v3::server_info::State as PbState;
use ferromesh_proto::envoy::admin::v3::{CommandLineOptions, Memory, ServerInfo};
use ferromesh_proto::google::protobuf::Duration as PbDuration;
use ferromesh_proto::json::{FieldNames, message_to_json_with};

use super::{json, text};
use crate::proxy::{ProxyHandle, ServerState};

pub(super) async fn ready(State(proxy): State<ProxyHandle>) -> Response {
    let state = proxy.state();
    let status = if state == ServerState::Live {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, text(format!("{}\n", state.name()))).into_response()
}

pub(super) async fn server_info(State(proxy): State<ProxyHandle>) -> Response {
    let shared = &proxy.shared;
    let uptime = shared.started.elapsed();
    let uptime = Some(PbDuration {
        seconds: uptime.as_secs() as i64,
        nanos: 0,
    });
    let state = match proxy.state() {
        ServerState::Live => PbState::Live,
        ServerState::Draining => PbState::Draining,
        ServerState::PreInitializing => PbState::PreInitializing,
        ServerState::Initializing => PbState::Initializing,
    };
    let info = ServerInfo {
        version: shared.settings.version.clone(),
        state: state as i32,
        uptime_current_epoch: uptime,
        uptime_all_epochs: uptime,
        hot_restart_version: "disabled".to_owned(),
        command_line_options: Some(CommandLineOptions {
            concurrency: shared.concurrency as u32,
            disable_hot_restart: true,
            ..CommandLineOptions::default()
        }),
        node: proxy.node(),
        ..ServerInfo::default()
    };
    match message_to_json_with(&info, FieldNames::Proto) {
        Ok(mut value) => {
            // Protobuf JSON leaves out LIVE, which is the default; tools look for it.
            value["state"] = state.as_str_name().into();
            json(&value)
        }
        Err(error) => super::bad_request(error.to_string()),
    }
}

pub(super) async fn hot_restart_version() -> Response {
    text("disabled\n".to_owned())
}

pub(super) async fn memory() -> Response {
    let resident = ferromesh_net::resident_bytes().unwrap_or(0);
    let memory = Memory {
        allocated: resident,
        heap_size: resident,
        total_physical_bytes: resident,
        ..Memory::default()
    };
    match message_to_json_with(&memory, FieldNames::Proto) {
        Ok(value) => json(&value),
        Err(error) => super::bad_request(error.to_string()),
    }
}
