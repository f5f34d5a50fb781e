//! The fault filter's settings.

use std::mem::take;

use ferromesh_proto::envoy::extensions::filters::common::fault::v3::FaultDelay;
use ferromesh_proto::envoy::extensions::filters::common::fault::v3::fault_delay::FaultDelaySecifier;
use ferromesh_proto::envoy::extensions::filters::http::fault::v3 as pb;
use ferromesh_proto::envoy::extensions::filters::http::fault::v3::fault_abort::ErrorType;
use ferromesh_route::Fraction;
use ferromesh_types::Str;

use crate::compiled::{Abort, AbortKind, Delay, Fault};
use crate::xds::fields::{duration, number};
use crate::xds::matchers;
use crate::xds::refusal::{At, Refusal, nothing_left};

/// Compiles the settings.
pub(super) fn compile(mut value: pb::HttpFault) -> Result<Fault, Refusal> {
    let fault = Fault {
        headers: matchers::headers(take(&mut value.headers), "headers")?,
        downstream_nodes: take(&mut value.downstream_nodes)
            .into_iter()
            .map(Str::from)
            .collect(),
        max_active: number(value.max_active_faults.take()),
        delay: value.delay.take().map(delay).transpose().at("delay")?,
        abort: value.abort.take().map(abort).transpose().at("abort")?,
    };
    // Keys of a runtime that could override the values above: there is none.
    value.delay_percent_runtime = String::new();
    value.abort_percent_runtime = String::new();
    value.delay_duration_runtime = String::new();
    value.abort_http_status_runtime = String::new();
    value.abort_grpc_status_runtime = String::new();
    value.max_active_faults_runtime = String::new();
    // Numbers per calling cluster are not kept anyway.
    value.disable_downstream_cluster_stats = false;
    nothing_left(&value)?;
    Ok(fault)
}

fn share(
    value: Option<ferromesh_proto::envoy::r#type::v3::FractionalPercent>,
) -> Result<Fraction, Refusal> {
    // Not set means none at all.
    Ok(value.map_or(
        Fraction {
            numerator: 0,
            denominator: 100,
        },
        matchers::fraction,
    ))
}

fn delay(mut value: FaultDelay) -> Result<Delay, Refusal> {
    let fixed = match value.fault_delay_secifier.take() {
        Some(FaultDelaySecifier::FixedDelay(span)) => Some(duration(span).at("fixed_delay")?),
        Some(FaultDelaySecifier::HeaderDelay(_)) => None,
        None => return Err(Refusal::new("a fixed or a header delay is needed")),
    };
    let share = share(value.percentage.take())?;
    nothing_left(&value)?;
    Ok(Delay { fixed, share })
}

fn abort(mut value: pb::FaultAbort) -> Result<Abort, Refusal> {
    let kind = match value.error_type.take() {
        Some(ErrorType::HttpStatus(status)) => {
            let status = u16::try_from(status).ok();
            let status = status.filter(|status| (200..600).contains(status));
            let reason = "must be between 200 and 599";
            AbortKind::Http(status.ok_or_else(|| Refusal::field("http_status", reason))?)
        }
        Some(ErrorType::GrpcStatus(status)) => AbortKind::Grpc(status),
        Some(ErrorType::HeaderAbort(_)) => AbortKind::FromHeader,
        None => return Err(Refusal::new("a status or a header abort is needed")),
    };
    let share = share(value.percentage.take())?;
    nothing_left(&value)?;
    Ok(Abort { kind, share })
}
