//! Limits of connections and requests, keep-alive, and the protocol towards the endpoints.

use std::time::Duration;

use ferromesh_config::kind::destination_rule::{
    ConnectionPoolSettings, H2UpgradePolicy, HttpSettings, RetryBudget, TcpKeepalive, TcpSettings,
};
use ferromesh_proto::envoy::config::cluster::v3::{
    CircuitBreakers, Cluster, UpstreamConnectionOptions,
    circuit_breakers::{Thresholds, thresholds},
};
use ferromesh_proto::envoy::config::core::v3::{
    Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions as CommonOptions,
    TcpKeepalive as Keepalive, UpstreamHttpProtocolOptions,
};
use ferromesh_proto::envoy::extensions::upstreams::http::v3::{
    HttpProtocolOptions,
    http_protocol_options::{
        ExplicitHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
        explicit_http_config::ProtocolConfig,
    },
};
use ferromesh_types::Protocol;

use crate::value::{any, duration, number, percent};

/// The key of HTTP settings among a cluster's protocol options.
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// The share of requests that may be retries when a budget is asked for without a number.
const DEFAULT_RETRY_PERCENT: f64 = 20.0;

/// Retries that a budget always allows when nothing is said.
const DEFAULT_RETRY_CONCURRENCY: u32 = 3;

/// How requests are sent to the endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum UpstreamProtocol {
    /// HTTP/1.1, or no HTTP at all.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
    /// What the client speaks.
    Downstream,
}

impl UpstreamProtocol {
    /// The protocol towards a service port. A gateway does not see what an application speaks and
    /// sends HTTP/1.1 to ports of undeclared protocol.
    pub(crate) fn of(
        port: Protocol,
        pool: Option<&ConnectionPoolSettings>,
        mesh_upgrades: bool,
        sidecar: bool,
    ) -> Self {
        let http = pool.and_then(|pool| pool.http.as_ref());
        if http.is_some_and(|http| http.use_client_protocol) {
            return Self::Downstream;
        }
        if port.is_http2() {
            return Self::Http2;
        }
        if port.is_auto() && sidecar {
            return Self::Downstream;
        }
        let upgrade = match http.map(|http| http.h2_upgrade_policy).unwrap_or_default() {
            H2UpgradePolicy::Default => mesh_upgrades,
            H2UpgradePolicy::DoNotUpgrade => false,
            H2UpgradePolicy::Upgrade => true,
        };
        if upgrade && port == Protocol::Http {
            Self::Http2
        } else {
            Self::Http1
        }
    }
}

/// Applies limits and keep-alive; `connect_timeout` and `keepalive` are the mesh's.
pub(crate) fn apply(
    cluster: &mut Cluster,
    pool: Option<&ConnectionPoolSettings>,
    budget: Option<RetryBudget>,
    connect_timeout: Duration,
    keepalive: Option<&TcpKeepalive>,
) {
    let tcp = pool.and_then(|pool| pool.tcp.as_ref());
    let http = pool.and_then(|pool| pool.http.as_ref());
    let timeout = tcp
        .and_then(|tcp| tcp.connect_timeout)
        .map_or(connect_timeout, |timeout| *timeout);
    cluster.connect_timeout = Some(duration(timeout));
    cluster.circuit_breakers = Some(CircuitBreakers {
        thresholds: vec![Thresholds {
            retry_budget: budget.map(retry_budget),
            ..limits(tcp, http)
        }],
        ..Default::default()
    });
    cluster.upstream_connection_options = tcp
        .and_then(|tcp| tcp.tcp_keepalive.as_ref())
        .or(keepalive)
        .map(connection_options);
}

/// The limits with none set: Envoy's own default of 1024 is far too low for a mesh.
pub(crate) fn unlimited() -> CircuitBreakers {
    CircuitBreakers {
        thresholds: vec![limits(None, None)],
        ..Default::default()
    }
}

/// Sets the protocol options, if any differ from Envoy's defaults.
pub(crate) fn set_http_options(
    cluster: &mut Cluster,
    protocol: UpstreamProtocol,
    pool: Option<&ConnectionPoolSettings>,
    server_name: Option<UpstreamHttpProtocolOptions>,
) {
    let common = pool.and_then(common_options);
    if protocol == UpstreamProtocol::Http1 && common.is_none() && server_name.is_none() {
        return;
    }
    let streams = pool
        .and_then(|pool| pool.http.as_ref())
        .map(|http| http.max_concurrent_streams)
        .filter(|&streams| streams > 0);
    let options = HttpProtocolOptions {
        common_http_protocol_options: common,
        upstream_http_protocol_options: server_name,
        upstream_protocol_options: Some(protocol_options(protocol, streams)),
        ..Default::default()
    };
    cluster
        .typed_extension_protocol_options
        .insert(HTTP_OPTIONS.to_owned(), any(&options));
}

/// Protocol options of the clusters that pass connections through: the client's protocol, and an
/// end for idle connections, since such a cluster sees ever new hosts.
pub(crate) fn set_passthrough_options(cluster: &mut Cluster, idle: Duration) {
    let options = HttpProtocolOptions {
        common_http_protocol_options: Some(CommonOptions {
            idle_timeout: Some(duration(idle)),
            ..Default::default()
        }),
        upstream_protocol_options: Some(protocol_options(UpstreamProtocol::Downstream, None)),
        ..Default::default()
    };
    cluster
        .typed_extension_protocol_options
        .insert(HTTP_OPTIONS.to_owned(), any(&options));
}

fn protocol_options(protocol: UpstreamProtocol, streams: Option<u32>) -> UpstreamProtocolOptions {
    let http2 = Http2ProtocolOptions {
        max_concurrent_streams: streams.and_then(number),
        ..Default::default()
    };
    let explicit = |config| {
        UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
            protocol_config: Some(config),
        })
    };
    match protocol {
        UpstreamProtocol::Http1 => explicit(ProtocolConfig::HttpProtocolOptions(
            Http1ProtocolOptions::default(),
        )),
        UpstreamProtocol::Http2 => explicit(ProtocolConfig::Http2ProtocolOptions(http2)),
        UpstreamProtocol::Downstream => {
            UpstreamProtocolOptions::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
                http_protocol_options: Some(Http1ProtocolOptions::default()),
                http2_protocol_options: Some(http2),
                ..Default::default()
            })
        }
    }
}

/// Lifetimes of connections; `None` if nothing is limited.
fn common_options(pool: &ConnectionPoolSettings) -> Option<CommonOptions> {
    let tcp = pool.tcp.as_ref();
    let http = pool.http.as_ref();
    let idle = http
        .and_then(|http| http.idle_timeout)
        .or(tcp.and_then(|tcp| tcp.idle_timeout));
    let lifetime = tcp.and_then(|tcp| tcp.max_connection_duration);
    let requests = http.and_then(|http| limit(http.max_requests_per_connection));
    let options = CommonOptions {
        idle_timeout: idle.map(|idle| duration(*idle)),
        max_connection_duration: lifetime.map(|lifetime| duration(*lifetime)),
        max_requests_per_connection: requests.and_then(number),
        ..Default::default()
    };
    (options != CommonOptions::default()).then_some(options)
}

fn limits(tcp: Option<&TcpSettings>, http: Option<&HttpSettings>) -> Thresholds {
    let of_http = |read: fn(&HttpSettings) -> u32| http.map(read).and_then(limit);
    Thresholds {
        max_connections: most(tcp.and_then(|tcp| limit(tcp.max_connections))),
        max_pending_requests: most(of_http(|http| http.http1_max_pending_requests)),
        max_requests: most(of_http(|http| http.http2_max_requests)),
        max_retries: most(of_http(|http| http.max_retries)),
        ..Default::default()
    }
}

fn most(limit: Option<u32>) -> Option<ferromesh_proto::google::protobuf::UInt32Value> {
    number(limit.unwrap_or(u32::MAX))
}

/// Zero means "no limit of its own".
fn limit(written: u32) -> Option<u32> {
    (written > 0).then_some(written)
}

fn retry_budget(budget: RetryBudget) -> thresholds::RetryBudget {
    let concurrency = limit(budget.min_retry_concurrency).unwrap_or(DEFAULT_RETRY_CONCURRENCY);
    thresholds::RetryBudget {
        budget_percent: Some(percent(
            budget
                .percent
                .map_or(DEFAULT_RETRY_PERCENT, |share| share.0),
        )),
        min_retry_concurrency: number(concurrency),
        ..Default::default()
    }
}

fn connection_options(keepalive: &TcpKeepalive) -> UpstreamConnectionOptions {
    let seconds = |length: Option<ferromesh_config::value::Duration>| {
        length
            .and_then(|length| u32::try_from(length.as_secs()).ok())
            .and_then(number)
    };
    UpstreamConnectionOptions {
        tcp_keepalive: Some(Keepalive {
            keepalive_probes: limit(keepalive.probes).and_then(number),
            keepalive_time: seconds(keepalive.time),
            keepalive_interval: seconds(keepalive.interval),
        }),
        ..Default::default()
    }
}
