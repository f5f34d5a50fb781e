//! The HTTP connection manager, as sidecars and gateways configure it.
//!
//! Three places use it and differ in a few fields: inbound (the peer's certificate is told to the
//! application), outbound (the application is the client) and gateway (the client is a stranger).

use ferromesh_proto::envoy::config::accesslog::v3::AccessLog;
use ferromesh_proto::envoy::config::core::v3::Http1ProtocolOptions;
use ferromesh_proto::envoy::config::listener::v3::{Filter, filter::ConfigType};
use ferromesh_proto::envoy::config::route::v3::RouteConfiguration;
use ferromesh_proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, Rds, RequestIdExtension,
    http_connection_manager::{
        ForwardClientCertDetails, PathWithEscapedSlashesAction, RouteSpecifier,
        SetCurrentClientCertDetails, UpgradeConfig,
    },
};
use ferromesh_proto::envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;
use ferromesh_types::Protocol;

use crate::http_filter;
use crate::names;
use crate::value::{ads, any, flag, no_limit};

/// What the `server` response header says.
const SERVER_NAME: &str = "istio-envoy";

/// Where the manager stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In front of the application.
    Inbound,
    /// Behind the application.
    Outbound,
    /// At the mesh's edge; `trusted_hops` proxies in front of it are believed.
    Gateway {
        /// How many.
        trusted_hops: u32,
    },
}

/// A manager that asks the control plane for the route table `route`.
pub(crate) fn with_rds(
    place: Place,
    stat_name: &str,
    route: String,
    protocol: Protocol,
    access_log: Vec<AccessLog>,
) -> Filter {
    let routes = RouteSpecifier::Rds(Rds {
        config_source: Some(ads()),
        route_config_name: route,
    });
    filter(manager(place, stat_name, routes, protocol, access_log))
}

/// A manager whose route table is part of it.
pub(crate) fn with_routes(
    place: Place,
    stat_name: &str,
    table: RouteConfiguration,
    protocol: Protocol,
    access_log: Vec<AccessLog>,
) -> Filter {
    let routes = RouteSpecifier::RouteConfig(table);
    filter(manager(place, stat_name, routes, protocol, access_log))
}

fn filter(manager: HttpConnectionManager) -> Filter {
    Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&manager))),
    }
}

fn manager(
    place: Place,
    stat_name: &str,
    routes: RouteSpecifier,
    protocol: Protocol,
    access_log: Vec<AccessLog>,
) -> HttpConnectionManager {
    let base = HttpConnectionManager {
        stat_prefix: names::stat_prefix(stat_name),
        http_filters: http_filter::chain(protocol),
        stream_idle_timeout: no_limit(),
        access_log,
        use_remote_address: flag(matches!(place, Place::Gateway { .. })),
        proxy_100_continue: true,
        upgrade_configs: vec![UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            ..Default::default()
        }],
        normalize_path: flag(true),
        path_with_escaped_slashes_action: PathWithEscapedSlashesAction::KeepUnchanged as i32,
        request_id_extension: Some(request_id()),
        route_specifier: Some(routes),
        ..Default::default()
    };
    match place {
        Place::Outbound => base,
        Place::Inbound => HttpConnectionManager {
            server_name: SERVER_NAME.to_owned(),
            forward_client_cert_details: ForwardClientCertDetails::AppendForward as i32,
            set_current_client_cert_details: Some(certificate_details(false)),
            ..base
        },
        Place::Gateway { trusted_hops } => HttpConnectionManager {
            server_name: SERVER_NAME.to_owned(),
            forward_client_cert_details: ForwardClientCertDetails::SanitizeSet as i32,
            set_current_client_cert_details: Some(certificate_details(true)),
            xff_num_trusted_hops: trusted_hops,
            http_protocol_options: Some(Http1ProtocolOptions::default()),
            ..base
        },
    }
}

/// What `x-forwarded-client-cert` says about the client.
fn certificate_details(whole: bool) -> SetCurrentClientCertDetails {
    SetCurrentClientCertDetails {
        subject: flag(true),
        cert: whole,
        dns: true,
        uri: true,
        ..Default::default()
    }
}

/// Request identifiers that carry the decision whether the request is traced.
fn request_id() -> RequestIdExtension {
    RequestIdExtension {
        typed_config: Some(any(&UuidRequestIdConfig {
            use_request_id_for_trace_sampling: flag(true),
            ..Default::default()
        })),
    }
}
