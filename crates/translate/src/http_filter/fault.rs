//! Fault injection of a route, as settings of the fault filter.

use ferromesh_config::kind::virtual_service::{
    Abort, Delay, GRPC_STATUSES, HttpFaultInjection, Percent,
};
use ferromesh_proto::envoy::extensions::filters::common::fault::v3::{
    FaultDelay, fault_delay::FaultDelaySecifier,
};
use ferromesh_proto::envoy::extensions::filters::http::fault::v3::{
    FaultAbort, HttpFault, fault_abort::ErrorType,
};
use ferromesh_proto::envoy::r#type::v3::{FractionalPercent, fractional_percent::DenominatorType};
use ferromesh_proto::google::protobuf::Any;

use crate::value::{any, duration};

/// The filter's name, under which a route carries its settings.
pub(crate) const NAME: &str = "envoy.filters.http.fault";

/// The settings of a route; `None` when nothing is injected.
pub(crate) fn settings(fault: &HttpFaultInjection) -> Option<Any> {
    let config = HttpFault {
        delay: fault.delay.as_ref().and_then(delay),
        abort: fault.abort.as_ref().and_then(abort),
        ..Default::default()
    };
    (config != HttpFault::default()).then(|| any(&config))
}

fn delay(delay: &Delay) -> Option<FaultDelay> {
    let fixed = delay.fixed_delay?;
    let older = delay.percent.map(|numerator| FractionalPercent {
        numerator,
        ..Default::default()
    });
    Some(FaultDelay {
        percentage: delay
            .percentage
            .map(share)
            .or(older)
            .or_else(|| Some(FractionalPercent::default())),
        fault_delay_secifier: Some(FaultDelaySecifier::FixedDelay(duration(*fixed))),
    })
}

fn abort(abort: &Abort) -> Option<FaultAbort> {
    let http = abort.http_status.map(ErrorType::HttpStatus);
    let grpc = abort
        .grpc_status
        .as_ref()
        .and_then(|name| grpc_status(name))
        .map(ErrorType::GrpcStatus);
    Some(FaultAbort {
        percentage: abort.percentage.map(share),
        error_type: Some(http.or(grpc)?),
        ..Default::default()
    })
}

fn grpc_status(name: &str) -> Option<u32> {
    GRPC_STATUSES
        .iter()
        .position(|&known| known.eq_ignore_ascii_case(name))
        .and_then(|index| u32::try_from(index).ok())
}

/// A share in millionths, the finest that Envoy knows.
pub(crate) fn share(percent: Percent) -> FractionalPercent {
    FractionalPercent {
        numerator: (percent.value * 10_000.0).round().clamp(0.0, 1_000_000.0) as u32,
        denominator: DenominatorType::Million as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_millionths_and_grpc_statuses_numbers() {
        assert_eq!(share(Percent { value: 12.5 }).numerator, 125_000);
        assert_eq!(share(Percent { value: 300.0 }).numerator, 1_000_000);
        assert_eq!(grpc_status("unavailable"), Some(14));
        assert_eq!(grpc_status("NO_SUCH"), None);
    }
}
