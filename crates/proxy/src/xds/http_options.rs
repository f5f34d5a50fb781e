//! HTTP/1 and HTTP/2 protocol options, used downstream and upstream.

use std::mem::take;

use ferromesh_http::http1::NameCase;
use ferromesh_proto::envoy::config::core::v3 as core;
use ferromesh_proto::envoy::config::core::v3::http1_protocol_options::header_key_format::HeaderFormat;
use ferromesh_proto::type_url;

use super::fields::{limit, number};
use super::refusal::{At, Refusal, nothing_left};
use crate::compiled::{Http1Downstream, Http1Upstream, Http2Settings};

/// Compiles HTTP/2 options; unset is Envoy's default.
pub(super) fn http2(value: Option<core::Http2ProtocolOptions>) -> Result<Http2Settings, Refusal> {
    let defaults = Http2Settings::default();
    let Some(value) = value else {
        return Ok(defaults);
    };
    // What is not read here bounds abuse of the protocol, which the codec does on its own terms.
    let mut compiled = Http2Settings {
        max_concurrent_streams: number(value.max_concurrent_streams)
            .unwrap_or(defaults.max_concurrent_streams),
        stream_window: number(value.initial_stream_window_size).unwrap_or(defaults.stream_window),
        connection_window: number(value.initial_connection_window_size)
            .unwrap_or(defaults.connection_window),
        allow_connect: value.allow_connect,
        ..defaults
    };
    if value.allow_metadata {
        return Err(Refusal::field("allow_metadata", "is not supported"));
    }
    if !value.custom_settings_parameters.is_empty() {
        return Err(Refusal::field(
            "custom_settings_parameters",
            "is not supported",
        ));
    }
    if let Some(keepalive) = value.connection_keepalive {
        compiled.keepalive_interval =
            limit(keepalive.interval, None).at("connection_keepalive.interval")?;
        compiled.keepalive_timeout =
            limit(keepalive.timeout, None).at("connection_keepalive.timeout")?;
    }
    Ok(compiled)
}

/// Takes the options that are alike in both directions; gives case and trailers.
fn http1(value: &mut core::Http1ProtocolOptions) -> Result<Http1Upstream, Refusal> {
    let names = names(value.header_key_format.take()).at("header_key_format")?;
    // How lenient the parser is, and which parser: ours is strict about framing in every case.
    value.allow_absolute_url = None;
    value.allow_chunked_length = false;
    value.use_balsa_parser = None;
    value.override_stream_error_on_invalid_http_message = None;
    Ok(Http1Upstream {
        names,
        enable_trailers: take(&mut value.enable_trailers),
    })
}

/// In which case names of fields are written.
fn names(
    format: Option<core::http1_protocol_options::HeaderKeyFormat>,
) -> Result<NameCase, Refusal> {
    const KEEPING: &str =
        "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig";
    let formatter = match format.and_then(|format| format.header_format) {
        None => return Ok(NameCase::Lower),
        Some(HeaderFormat::ProperCaseWords(_)) => return Ok(NameCase::Proper),
        Some(HeaderFormat::StatefulFormatter(formatter)) => formatter,
    };
    let config = formatter.typed_config.unwrap_or_default();
    let name = type_url::message_name(&config.type_url);
    let reason = if name != KEEPING {
        format!("{name} is not supported")
    } else if !config.value.is_empty() {
        "its settings are not supported".to_owned()
    } else {
        return Ok(NameCase::Kept);
    };
    Err(Refusal::field("stateful_formatter", reason))
}

/// Compiles HTTP/1 options of a connection manager.
pub(super) fn http1_downstream(
    value: Option<core::Http1ProtocolOptions>,
) -> Result<Http1Downstream, Refusal> {
    let mut value = value.unwrap_or_default();
    let shared = http1(&mut value)?;
    let compiled = Http1Downstream {
        accept_http_10: take(&mut value.accept_http_10),
        default_host: take(&mut value.default_host_for_http_10).into(),
        names: shared.names,
        custom_methods: take(&mut value.allow_custom_methods),
        enable_trailers: shared.enable_trailers,
    };
    nothing_left(&value)?;
    Ok(compiled)
}

/// Compiles HTTP/1 options of a cluster.
pub(super) fn http1_upstream(
    value: Option<core::Http1ProtocolOptions>,
) -> Result<Http1Upstream, Refusal> {
    let mut value = value.unwrap_or_default();
    let compiled = http1(&mut value)?;
    value.accept_http_10 = false;
    value.allow_custom_methods = false;
    value.default_host_for_http_10 = String::new();
    nothing_left(&value)?;
    Ok(compiled)
}
