//! The route table in front of the application: everything goes to it.

use ferromesh_proto::envoy::config::route::v3::{
    RetryPolicy, Route, RouteAction, RouteConfiguration, VirtualHost,
    route::Action,
    route_action::{ClusterSpecifier, MaxStreamDuration},
};
use ferromesh_types::Protocol;

use super::route_match::any_request;
use crate::value::{flag, no_limit, number};

/// A request that never left the proxy may be sent again: the application closed an idle
/// connection at that very moment.
const RETRY_ON: &str = "reset-before-request";
const RETRIES: u32 = 2;

/// The table of the chain that leads to `cluster`; `port` is the port of the service.
pub(crate) fn table(cluster: &str, port: u16, protocol: Protocol) -> RouteConfiguration {
    let retries = (protocol != Protocol::Grpc).then(|| RetryPolicy {
        retry_on: RETRY_ON.to_owned(),
        num_retries: number(RETRIES),
        ..Default::default()
    });
    let route = Route {
        name: "default".to_owned(),
        r#match: Some(any_request()),
        action: Some(Action::Route(RouteAction {
            timeout: no_limit(),
            retry_policy: retries,
            // Neither a limit of ours nor one of the client's `grpc-timeout`: the client watches
            // its own clock.
            max_stream_duration: Some(MaxStreamDuration {
                max_stream_duration: no_limit(),
                grpc_timeout_header_max: no_limit(),
                ..Default::default()
            }),
            cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
            ..Default::default()
        })),
        ..Default::default()
    };
    RouteConfiguration {
        name: cluster.to_owned(),
        virtual_hosts: vec![VirtualHost {
            name: format!("inbound|http|{port}"),
            domains: vec!["*".to_owned()],
            routes: vec![route],
            ..Default::default()
        }],
        validate_clusters: flag(false),
        ..Default::default()
    }
}
