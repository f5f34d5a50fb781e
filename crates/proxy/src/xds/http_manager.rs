//! HTTP connection managers.

use std::mem::take;
use std::sync::Arc;

use ferromesh_proto::envoy::config::core::v3::HttpProtocolOptions;
use ferromesh_proto::envoy::config::core::v3::http_protocol_options::HeadersWithUnderscoresAction;
use ferromesh_proto::envoy::extensions::filters::network::http_connection_manager::v3 as pb;
use ferromesh_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager as hcm;
use ferromesh_types::Str;

use super::context::Context;
use super::fields::{Source, config_source, flag, limit, number};
use super::refusal::{At, Refusal, nothing_left};
use super::{access_logs, edge, http_filters, http_options, local_replies, rds};
use crate::compiled::{
    ClientCertDetails, Codec, EscapedSlashes, ForwardClientCert, HeadersWithUnderscores,
    HttpManager, HttpTimeouts, RouteSource, ServerHeader, Upgrade,
};
use crate::stats::HttpStats;

/// Envoy's default limits of request headers.
const MAX_HEADERS_KB: u32 = 60;
const MAX_HEADER_COUNT: u32 = 100;

/// Compiles a connection manager.
pub(super) fn compile(
    mut value: pb::HttpConnectionManager,
    context: &mut Context<'_>,
) -> Result<HttpManager, Refusal> {
    let stat_prefix = take(&mut value.stat_prefix);
    let common = value
        .common_http_protocol_options
        .take()
        .unwrap_or_default();
    let timeouts = timeouts(&mut value, &common)?;
    let prefix = format!("http.{stat_prefix}.");
    let (filters, router) = http_filters::compile(take(&mut value.http_filters), &prefix, context)?;
    let routes = routes(value.route_specifier.take(), context)?;
    let access_logs = access_logs::compile(take(&mut value.access_log), "access_log", context)?;
    let modes = modes(&mut value)?;
    let traces = value.tracing.is_some();
    let compiled = HttpManager {
        stats: HttpStats::new(&context.compiler.stats, &prefix),
        stat_prefix: stat_prefix.into(),
        codec: modes.codec,
        routes,
        filters,
        router,
        server_name: server_name(take(&mut value.server_name)),
        server_header: modes.server_header,
        via: take(&mut value.via).into(),
        use_remote_address: flag(value.use_remote_address.take(), false),
        xff_trusted_hops: take(&mut value.xff_num_trusted_hops),
        skip_xff_append: take(&mut value.skip_xff_append),
        append_x_forwarded_port: take(&mut value.append_x_forwarded_port),
        internal_addresses: edge::internal_addresses(value.internal_address_config.take())?,
        request_ids: edge::request_ids(&mut value, context)?,
        traces,
        forward_client_cert: modes.forward_client_cert,
        client_cert_details: client_cert_details(value.set_current_client_cert_details.take())?,
        normalize_path: flag(value.normalize_path.take(), false),
        merge_slashes: take(&mut value.merge_slashes),
        escaped_slashes: modes.escaped_slashes,
        strip_port: edge::strip_port(&mut value),
        strip_trailing_dot: take(&mut value.strip_trailing_host_dot),
        proxy_100_continue: take(&mut value.proxy_100_continue),
        timeouts,
        http1: http_options::http1_downstream(value.http_protocol_options.take())
            .at("http_protocol_options")?,
        http2: http_options::http2(value.http2_protocol_options.take())
            .at("http2_protocol_options")?,
        max_request_headers: number(value.max_request_headers_kb.take()).unwrap_or(MAX_HEADERS_KB)
            as usize
            * 1024,
        max_header_count: number(common.max_headers_count).unwrap_or(MAX_HEADER_COUNT) as usize,
        headers_with_underscores: underscores(&common),
        max_requests_per_connection: number(common.max_requests_per_connection)
            .filter(|requests| *requests > 0),
        upgrades: upgrades(take(&mut value.upgrade_configs))?,
        local_replies: (value.local_reply_config.take())
            .map(|config| local_replies::compile(config).map(Box::new))
            .transpose()
            .at("local_reply_config")?,
        access_logs,
    };
    without_effect(&mut value);
    nothing_left(&value)?;
    Ok(compiled)
}

fn server_name(name: String) -> Str {
    if name.is_empty() {
        "envoy".into()
    } else {
        name.into()
    }
}

/// What is accepted although nothing here acts on it: the timing of log lines.
fn without_effect(value: &mut pb::HttpConnectionManager) {
    value.access_log_flush_interval = None;
    value.flush_access_log_on_new_request = false;
    value.access_log_options = None;
    value.stream_error_on_invalid_http_message = None;
    value.drain_timeout_jitter = None;
    value.stream_flush_timeout = None;
    if !flag(value.add_user_agent, false) {
        value.add_user_agent = None;
    }
}

fn routes(
    specifier: Option<hcm::RouteSpecifier>,
    context: &mut Context<'_>,
) -> Result<RouteSource, Refusal> {
    match specifier {
        Some(hcm::RouteSpecifier::Rds(rds)) => {
            let source = config_source(rds.config_source.as_ref()).at("rds.config_source")?;
            if source != Source::Ads {
                let reason = "route configurations only come by the aggregated stream";
                return Err(Refusal::field("rds.config_source", reason));
            }
            let name = Str::from(rds.route_config_name);
            context.route_names.push(name.clone());
            Ok(RouteSource::Named(name))
        }
        Some(hcm::RouteSpecifier::RouteConfig(config)) => {
            let table = rds::compile(config, "").at("route_config")?;
            Ok(RouteSource::Inline(Arc::new(table)))
        }
        Some(hcm::RouteSpecifier::ScopedRoutes(_)) => {
            Err(Refusal::field("scoped_routes", "is not supported"))
        }
        None => Err(Refusal::new("routes are needed (rds or route_config)")),
    }
}

struct Modes {
    codec: Codec,
    server_header: ServerHeader,
    forward_client_cert: ForwardClientCert,
    escaped_slashes: EscapedSlashes,
}

fn modes(value: &mut pb::HttpConnectionManager) -> Result<Modes, Refusal> {
    use hcm::{
        CodecType, ForwardClientCertDetails, PathWithEscapedSlashesAction,
        ServerHeaderTransformation,
    };
    let modes = Modes {
        codec: match value.codec_type() {
            CodecType::Auto => Codec::Auto,
            CodecType::Http1 => Codec::Http1,
            CodecType::Http2 => Codec::Http2,
            CodecType::Http3 => return Err(Refusal::field("codec_type", "no HTTP/3 support")),
        },
        server_header: match value.server_header_transformation() {
            ServerHeaderTransformation::Overwrite => ServerHeader::Overwrite,
            ServerHeaderTransformation::AppendIfAbsent => ServerHeader::AppendIfAbsent,
            ServerHeaderTransformation::PassThrough => ServerHeader::PassThrough,
        },
        forward_client_cert: match value.forward_client_cert_details() {
            ForwardClientCertDetails::Sanitize => ForwardClientCert::Sanitize,
            ForwardClientCertDetails::ForwardOnly => ForwardClientCert::ForwardOnly,
            ForwardClientCertDetails::AppendForward => ForwardClientCert::AppendForward,
            ForwardClientCertDetails::SanitizeSet => ForwardClientCert::SanitizeSet,
            ForwardClientCertDetails::AlwaysForwardOnly => ForwardClientCert::AlwaysForwardOnly,
        },
        escaped_slashes: match value.path_with_escaped_slashes_action() {
            PathWithEscapedSlashesAction::ImplementationSpecificDefault
            | PathWithEscapedSlashesAction::KeepUnchanged => EscapedSlashes::Keep,
            PathWithEscapedSlashesAction::RejectRequest => EscapedSlashes::Reject,
            PathWithEscapedSlashesAction::UnescapeAndRedirect => {
                EscapedSlashes::UnescapeAndRedirect
            }
            PathWithEscapedSlashesAction::UnescapeAndForward => EscapedSlashes::UnescapeAndForward,
        },
    };
    value.codec_type = 0;
    value.server_header_transformation = 0;
    value.forward_client_cert_details = 0;
    value.path_with_escaped_slashes_action = 0;
    Ok(modes)
}

fn client_cert_details(
    value: Option<hcm::SetCurrentClientCertDetails>,
) -> Result<ClientCertDetails, Refusal> {
    let mut value = value.unwrap_or_default();
    let compiled = ClientCertDetails {
        subject: flag(value.subject.take(), false),
        cert: take(&mut value.cert),
        chain: take(&mut value.chain),
        dns: take(&mut value.dns),
        uri: take(&mut value.uri),
    };
    nothing_left(&value).at("set_current_client_cert_details")?;
    Ok(compiled)
}

fn timeouts(
    value: &mut pb::HttpConnectionManager,
    common: &HttpProtocolOptions,
) -> Result<HttpTimeouts, Refusal> {
    let defaults = HttpTimeouts::default();
    let inside = "common_http_protocol_options";
    let drain = limit(value.drain_timeout.take(), Some(defaults.drain)).at("drain_timeout")?;
    let delayed = limit(
        value.delayed_close_timeout.take(),
        Some(defaults.delayed_close),
    )
    .at("delayed_close_timeout")?;
    Ok(HttpTimeouts {
        idle: limit(common.idle_timeout, defaults.idle).at(inside)?,
        stream_idle: limit(value.stream_idle_timeout.take(), defaults.stream_idle)
            .at("stream_idle_timeout")?,
        request: limit(value.request_timeout.take(), None).at("request_timeout")?,
        request_headers: limit(value.request_headers_timeout.take(), None)
            .at("request_headers_timeout")?,
        max_connection_duration: limit(common.max_connection_duration, None).at(inside)?,
        max_stream_duration: limit(common.max_stream_duration, None).at(inside)?,
        drain: drain.unwrap_or_default(),
        delayed_close: delayed.unwrap_or_default(),
    })
}

fn underscores(common: &HttpProtocolOptions) -> HeadersWithUnderscores {
    match common.headers_with_underscores_action() {
        HeadersWithUnderscoresAction::Allow => HeadersWithUnderscores::Allow,
        HeadersWithUnderscoresAction::RejectRequest => HeadersWithUnderscores::Reject,
        HeadersWithUnderscoresAction::DropHeader => HeadersWithUnderscores::Drop,
    }
}

fn upgrades(list: Vec<hcm::UpgradeConfig>) -> Result<Vec<Upgrade>, Refusal> {
    let each = |(index, upgrade): (usize, hcm::UpgradeConfig)| {
        if !upgrade.filters.is_empty() {
            let refusal = Refusal::field("filters", "is not supported");
            return Err(refusal).at_index("upgrade_configs", index);
        }
        Ok(Upgrade {
            name: upgrade.upgrade_type.to_ascii_lowercase(),
            enabled: flag(upgrade.enabled, true),
        })
    };
    list.into_iter().enumerate().map(each).collect()
}
