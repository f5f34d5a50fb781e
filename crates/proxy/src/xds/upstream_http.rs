//! Which HTTP a cluster speaks, and the limits of its connections.

use std::mem::take;

use ferromesh_proto::any;
use ferromesh_proto::envoy::config::cluster::v3 as pb;
use ferromesh_proto::envoy::config::core::v3::HttpProtocolOptions as Common;
use ferromesh_proto::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use ferromesh_proto::envoy::extensions::upstreams::http::v3::http_protocol_options::UpstreamProtocolOptions;
use ferromesh_proto::envoy::extensions::upstreams::http::v3::http_protocol_options::explicit_http_config::ProtocolConfig;

use super::fields::{limit, number};
use super::http_options::{http1_upstream, http2};
use super::refusal::{At, Refusal, nothing_left};
use super::transport::AutoNames;
use crate::compiled::{ConnectionLimits, Http1Upstream, UpstreamHttp};

const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// What the HTTP options of a cluster say.
pub(super) struct ClusterHttp {
    pub(super) protocol: UpstreamHttp,
    pub(super) connections: ConnectionLimits,
    pub(super) auto_names: AutoNames,
}

/// Takes everything about HTTP out of a cluster.
pub(super) fn compile(value: &mut pb::Cluster) -> Result<ClusterHttp, Refusal> {
    let mut options = options(value)?;
    let protocol = match options.upstream_protocol_options.take() {
        Some(protocol) => upstream_protocol(protocol)?,
        None => older_protocol(value)?,
    };
    let common = options
        .common_http_protocol_options
        .take()
        .or_else(|| value.common_http_protocol_options.take());
    value.common_http_protocol_options = None;
    let mut connections = connection_limits(common).at("common_http_protocol_options")?;
    if let Some(requests) = number(value.max_requests_per_connection.take()) {
        connections.max_requests = Some(requests).filter(|requests| *requests > 0);
    }
    if let Some(bytes) = number(value.per_connection_buffer_limit_bytes.take()) {
        connections.buffer_limit = bytes;
    }
    let mut auto_names = AutoNames::default();
    let upstream = options.upstream_http_protocol_options.take();
    let older = value.upstream_http_protocol_options.take();
    if let Some(mut upstream) = upstream.or(older) {
        auto_names = AutoNames {
            sni: take(&mut upstream.auto_sni),
            san_validation: take(&mut upstream.auto_san_validation),
        };
        nothing_left(&upstream).at("upstream_http_protocol_options")?;
    }
    nothing_left(&options).at(&format!("typed_extension_protocol_options[{OPTIONS}]"))?;
    Ok(ClusterHttp {
        protocol,
        connections,
        auto_names,
    })
}

fn options(value: &mut pb::Cluster) -> Result<HttpProtocolOptions, Refusal> {
    let mut options = HttpProtocolOptions::default();
    for (name, config) in take(&mut value.typed_extension_protocol_options) {
        let field = format!("typed_extension_protocol_options[{name}]");
        if name != OPTIONS {
            return Err(Refusal::field(&field, "is not supported"));
        }
        options = any::unpack(&config).at(&field)?;
    }
    Ok(options)
}

fn upstream_protocol(options: UpstreamProtocolOptions) -> Result<UpstreamHttp, Refusal> {
    match options {
        UpstreamProtocolOptions::ExplicitHttpConfig(explicit) => match explicit.protocol_config {
            Some(ProtocolConfig::Http2ProtocolOptions(options)) => {
                http2(Some(options)).map(UpstreamHttp::Http2)
            }
            Some(ProtocolConfig::HttpProtocolOptions(options)) => {
                http1_upstream(Some(options)).map(UpstreamHttp::Http1)
            }
            Some(ProtocolConfig::Http3ProtocolOptions(_)) => {
                Err(Refusal::field("http3_protocol_options", "is not supported"))
            }
            None => Ok(UpstreamHttp::Http1(Http1Upstream::default())),
        },
        UpstreamProtocolOptions::UseDownstreamProtocolConfig(options) => {
            if options.http3_protocol_options.is_some() {
                return Err(Refusal::field("http3_protocol_options", "is not supported"));
            }
            Ok(UpstreamHttp::Downstream(
                http1_upstream(options.http_protocol_options)?,
                http2(options.http2_protocol_options)?,
            ))
        }
        UpstreamProtocolOptions::AutoConfig(options) => {
            if options.http3_protocol_options.is_some() {
                return Err(Refusal::field("http3_protocol_options", "is not supported"));
            }
            Ok(UpstreamHttp::Alpn(
                http1_upstream(options.http_protocol_options)?,
                http2(options.http2_protocol_options)?,
            ))
        }
    }
}

/// The fields that configs used before the options had a message of their own.
fn older_protocol(value: &mut pb::Cluster) -> Result<UpstreamHttp, Refusal> {
    let downstream = value.protocol_selection
        == pb::cluster::ClusterProtocolSelection::UseDownstreamProtocol as i32;
    value.protocol_selection = 0;
    let options1 = value.http_protocol_options.take();
    let options2 = value.http2_protocol_options.take();
    if downstream {
        return Ok(UpstreamHttp::Downstream(
            http1_upstream(options1).at("http_protocol_options")?,
            http2(options2).at("http2_protocol_options")?,
        ));
    }
    match options2 {
        Some(options) => {
            let settings = http2(Some(options)).at("http2_protocol_options")?;
            Ok(UpstreamHttp::Http2(settings))
        }
        None => {
            let settings = http1_upstream(options1).at("http_protocol_options")?;
            Ok(UpstreamHttp::Http1(settings))
        }
    }
}

fn connection_limits(common: Option<Common>) -> Result<ConnectionLimits, Refusal> {
    let defaults = ConnectionLimits::default();
    let Some(mut common) = common else {
        return Ok(defaults);
    };
    let limits = ConnectionLimits {
        idle_timeout: limit(common.idle_timeout.take(), defaults.idle_timeout)
            .at("idle_timeout")?,
        max_duration: limit(common.max_connection_duration.take(), None)
            .at("max_connection_duration")?,
        max_stream_duration: limit(common.max_stream_duration.take(), None)
            .at("max_stream_duration")?,
        max_requests: number(common.max_requests_per_connection.take())
            .filter(|requests| *requests > 0),
        buffer_limit: defaults.buffer_limit,
    };
    common.max_connection_duration_jitter = None;
    common.max_headers_count = None;
    common.max_response_headers_kb = None;
    common.headers_with_underscores_action = 0;
    nothing_left(&common)?;
    Ok(limits)
}
