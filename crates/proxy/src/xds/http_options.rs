//! HTTP/1 and HTTP/2 protocol options, used downstream and upstream.

use std::mem::take;

use ferromesh_http::http1::{Keeping, NameCase};
use ferromesh_http::http2::FloodLimits;
use ferromesh_proto::envoy::config::core::v3 as core;
use ferromesh_proto::envoy::config::core::v3::http1_protocol_options::header_key_format::HeaderFormat;
use ferromesh_proto::envoy::extensions::http::header_formatters::preserve_case::v3 as preserve_case;
use ferromesh_proto::{any, type_url};

use super::fields::{limit, number};
use super::refusal::{At, Refusal, nothing_left};
use crate::compiled::{Http1Downstream, Http1Upstream, Http2Keepalive, Http2Settings};

/// Compiles HTTP/2 options; unset is Envoy's default.
pub(super) fn http2(value: Option<core::Http2ProtocolOptions>) -> Result<Http2Settings, Refusal> {
    let defaults = Http2Settings::default();
    let Some(value) = value else {
        return Ok(defaults);
    };
    let floods = FloodLimits {
        empty_frames: number(value.max_consecutive_inbound_frames_with_empty_payload)
            .unwrap_or(defaults.floods.empty_frames),
        priority_per_stream: number(value.max_inbound_priority_frames_per_stream)
            .unwrap_or(defaults.floods.priority_per_stream),
        window_updates_per_data: number(value.max_inbound_window_update_frames_per_data_frame_sent)
            .unwrap_or(defaults.floods.window_updates_per_data),
    };
    // What is not read here bounds queues that the codec does not have, or is about other codecs.
    let compiled = Http2Settings {
        max_concurrent_streams: number(value.max_concurrent_streams)
            .unwrap_or(defaults.max_concurrent_streams),
        stream_window: number(value.initial_stream_window_size).unwrap_or(defaults.stream_window),
        connection_window: number(value.initial_connection_window_size)
            .unwrap_or(defaults.connection_window),
        header_table: number(value.hpack_table_size).unwrap_or(defaults.header_table),
        allow_connect: value.allow_connect,
        keepalive: value
            .connection_keepalive
            .map(keepalive)
            .transpose()
            .at("connection_keepalive")?,
        floods,
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
    Ok(compiled)
}

/// Envoy's share of chance in the interval of pings, in percent.
const KEEPALIVE_JITTER: u32 = 15;

fn keepalive(value: core::KeepaliveSettings) -> Result<Http2Keepalive, Refusal> {
    let timeout = limit(value.timeout, None).at("timeout")?;
    let jitter = value.interval_jitter.map(|percent| percent.value as u32);
    Ok(Http2Keepalive {
        interval: limit(value.interval, None).at("interval")?,
        jitter: jitter.unwrap_or(KEEPALIVE_JITTER),
        timeout: timeout.ok_or_else(|| Refusal::field("timeout", "is needed"))?,
        idle_interval: limit(value.connection_idle_interval, None)
            .at("connection_idle_interval")?,
    })
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
    if name != KEEPING {
        let reason = format!("{name} is not supported");
        return Err(Refusal::field("stateful_formatter", reason));
    }
    keeping(any::unpack(&config)?)
        .map(NameCase::Kept)
        .at("stateful_formatter.typed_config")
}

fn keeping(value: preserve_case::PreserveCaseFormatterConfig) -> Result<Keeping, Refusal> {
    use preserve_case::preserve_case_formatter_config::FormatterTypeOnEnvoyHeaders as Own;
    let own = Own::try_from(value.formatter_type_on_envoy_headers);
    let own = own.map_err(|_| Refusal::field("formatter_type_on_envoy_headers", "is not known"))?;
    Ok(Keeping {
        capitals: own == Own::ProperCase,
        // Requests have no words that it could be about; as in Envoy it does nothing there.
        reason: value.forward_reason_phrase,
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

#[cfg(test)]
mod tests {
    use super::*;
    use preserve_case::PreserveCaseFormatterConfig;

    fn kept(
        formatter_type_on_envoy_headers: i32,
        forward_reason_phrase: bool,
    ) -> Result<Keeping, Refusal> {
        keeping(PreserveCaseFormatterConfig {
            forward_reason_phrase,
            formatter_type_on_envoy_headers,
        })
    }

    #[test]
    fn what_is_kept_of_a_head_follows_from_the_settings() {
        assert_eq!(kept(0, false).ok(), Some(Keeping::default()));
        let expected = Keeping {
            capitals: true,
            reason: true,
        };
        assert_eq!(kept(1, true).ok(), Some(expected));
        assert!(kept(2, false).is_err(), "no such form of names");
    }
}
