//! HTTP/1 and HTTP/2 protocol options, used downstream and upstream.

use std::mem::take;

use ferromesh_proto::envoy::config::core::v3 as core;
use ferromesh_proto::envoy::config::core::v3::http1_protocol_options::header_key_format::HeaderFormat;

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
    let preserve_header_case = match value.header_key_format.take().and_then(|f| f.header_format) {
        None => false,
        Some(HeaderFormat::StatefulFormatter(formatter))
            if formatter.name.ends_with("preserve_case") =>
        {
            true
        }
        Some(_) => {
            let reason = "only the preserve_case formatter is supported";
            return Err(Refusal::field("header_key_format", reason));
        }
    };
    // How lenient the parser is, and which parser: ours is strict about framing in every case.
    value.allow_absolute_url = None;
    value.allow_chunked_length = false;
    value.use_balsa_parser = None;
    value.override_stream_error_on_invalid_http_message = None;
    value.allow_custom_methods = false;
    Ok(Http1Upstream {
        preserve_header_case,
        enable_trailers: take(&mut value.enable_trailers),
    })
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
        preserve_header_case: shared.preserve_header_case,
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
    value.default_host_for_http_10 = String::new();
    nothing_left(&value)?;
    Ok(compiled)
}
