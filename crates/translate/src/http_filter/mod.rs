//! The HTTP filters of a connection manager, in the order in which requests meet them.
//!
//! The order is Istio's: statistics of gRPC, fault, CORS, and the router at the end. Filters with
//! settings per route (fault, CORS) sit in every chain empty; the route carries the settings.

pub(crate) mod cors;
pub(crate) mod fault;

use ferromesh_proto::envoy::extensions::filters::http::cors::v3::Cors;
use ferromesh_proto::envoy::extensions::filters::http::fault::v3::HttpFault;
use ferromesh_proto::envoy::extensions::filters::http::grpc_stats::v3::FilterConfig as GrpcStats;
use ferromesh_proto::envoy::extensions::filters::http::grpc_stats::v3::filter_config::PerMethodStatSpecifier;
use ferromesh_proto::envoy::extensions::filters::http::grpc_web::v3::GrpcWeb;
use ferromesh_proto::envoy::extensions::filters::http::router::v3::Router;
use ferromesh_proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter::ConfigType,
};
use ferromesh_types::Protocol;
use prost::{Message, Name};

use crate::value::{any, flag};

/// The filters for requests of one protocol.
pub(crate) fn chain(protocol: Protocol) -> Vec<HttpFilter> {
    let grpc_web =
        (protocol == Protocol::GrpcWeb).then(|| filter("envoy.filters.http.grpc_web", &GrpcWeb {}));
    grpc_web
        .into_iter()
        .chain([
            filter("envoy.filters.http.grpc_stats", &grpc_stats()),
            filter(fault::NAME, &HttpFault::default()),
            filter(cors::NAME, &Cors {}),
            filter("envoy.filters.http.router", &Router::default()),
        ])
        .collect()
}

/// Counts messages per call without one statistic per method, which would grow without bound.
fn grpc_stats() -> GrpcStats {
    GrpcStats {
        emit_filter_state: true,
        per_method_stat_specifier: Some(PerMethodStatSpecifier::StatsForAllMethods(
            flag(false).expect("a flag is present"),
        )),
        ..Default::default()
    }
}

fn filter<M: Message + Name>(name: &str, config: &M) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(config))),
        ..Default::default()
    }
}
