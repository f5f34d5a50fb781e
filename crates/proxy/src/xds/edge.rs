//! What a connection manager believes of a request's origin, and how request ids are made.

use std::mem::take;

use ferromesh_proto::any;
use ferromesh_proto::envoy::extensions::filters::network::http_connection_manager::v3 as pb;
use ferromesh_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager as hcm;
use ferromesh_proto::envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;
use ferromesh_proto::envoy::r#type::v3::Percent;
use ferromesh_proto::type_url;

use super::context::Context;
use super::fields::{flag, networks};
use super::refusal::{At, Refusal, nothing_left};
use crate::compiled::{InternalAddresses, RequestIds, StripPort, TraceSampling};

/// Which clients count as inside. Not set is none; set without networks is the private ones.
pub(super) fn internal_addresses(
    value: Option<hcm::InternalAddressConfig>,
) -> Result<InternalAddresses, Refusal> {
    let Some(mut value) = value else {
        return Ok(InternalAddresses::None);
    };
    // There are no listeners on Unix sockets.
    value.unix_sockets = false;
    let ranges = take(&mut value.cidr_ranges);
    nothing_left(&value).at("internal_address_config")?;
    if ranges.is_empty() {
        return Ok(InternalAddresses::Private);
    }
    networks(&ranges, "cidr_ranges")
        .map(InternalAddresses::Networks)
        .at("internal_address_config")
}

/// Takes everything about request ids, and what tracing writes into them.
pub(super) fn request_ids(
    value: &mut pb::HttpConnectionManager,
    context: &mut Context<'_>,
) -> Result<RequestIds, Refusal> {
    let extension = extension(value).at("request_id_extension")?;
    let sampling = match value.tracing.take() {
        Some(tracing) => {
            if tracing.provider.is_some() {
                context.without_effect("a tracing provider");
            }
            Some(sampling(&tracing))
        }
        None => None,
    };
    let decides = flag(extension.use_request_id_for_trace_sampling, true);
    Ok(RequestIds {
        generate: flag(value.generate_request_id.take(), true),
        preserve_external: take(&mut value.preserve_external_request_id),
        in_response: take(&mut value.always_set_request_id_in_response),
        pack_trace_reason: flag(extension.pack_trace_reason, true),
        sampling: sampling.filter(|_| decides),
    })
}

fn extension(value: &mut pb::HttpConnectionManager) -> Result<UuidRequestIdConfig, Refusal> {
    let Some(extension) = value.request_id_extension.take() else {
        return Ok(UuidRequestIdConfig::default());
    };
    let config = extension.typed_config.unwrap_or_default();
    let name = type_url::message_name(&config.type_url);
    if name != "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig" {
        return Err(Refusal::new(format!("{name} is not supported")));
    }
    Ok(any::unpack(&config)?)
}

fn sampling(tracing: &hcm::Tracing) -> TraceSampling {
    let share = |percent: Option<&Percent>| {
        percent.map_or(10_000, |percent| (percent.value * 100.0).round() as u32)
    };
    TraceSampling {
        client: share(tracing.client_sampling.as_ref()),
        random: share(tracing.random_sampling.as_ref()),
        overall: share(tracing.overall_sampling.as_ref()),
    }
}

/// Which port of the authority is removed.
pub(super) fn strip_port(value: &mut pb::HttpConnectionManager) -> StripPort {
    let matching = take(&mut value.strip_matching_host_port);
    match value.strip_port_mode.take() {
        Some(hcm::StripPortMode::StripAnyHostPort(true)) => StripPort::Any,
        _ if matching => StripPort::Matching,
        _ => StripPort::Never,
    }
}
