//! Outlier detection of clusters.

use ferromesh_proto::envoy::config::cluster::v3::OutlierDetection;
use ferromesh_proto::google::protobuf::{Duration as PbDuration, UInt32Value};

use super::fields::{duration, flag, number};
use super::refusal::{At, Refusal, nothing_left};
use crate::cluster::outlier::{Enforcing, FailurePercentage, OutlierSettings, SuccessRate};

/// Compiles the settings.
pub(super) fn compile(mut value: OutlierDetection) -> Result<OutlierSettings, Refusal> {
    let defaults = OutlierSettings::default();
    let count = |field: &mut Option<UInt32Value>, default| number(field.take()).unwrap_or(default);
    let span = |field: &mut Option<PbDuration>, default, name: &str| match field.take() {
        Some(span) => duration(span).at(name),
        None => Ok(default),
    };
    let enforcing = defaults.enforcing;
    let enforcing = Enforcing {
        consecutive_5xx: count(
            &mut value.enforcing_consecutive_5xx,
            enforcing.consecutive_5xx,
        ),
        consecutive_gateway: count(
            &mut value.enforcing_consecutive_gateway_failure,
            enforcing.consecutive_gateway,
        ),
        consecutive_local: count(
            &mut value.enforcing_consecutive_local_origin_failure,
            enforcing.consecutive_local,
        ),
        success_rate: count(&mut value.enforcing_success_rate, enforcing.success_rate),
        local_success_rate: count(
            &mut value.enforcing_local_origin_success_rate,
            enforcing.local_success_rate,
        ),
        failure_percentage: count(
            &mut value.enforcing_failure_percentage,
            enforcing.failure_percentage,
        ),
        local_failure_percentage: count(
            &mut value.enforcing_failure_percentage_local_origin,
            enforcing.local_failure_percentage,
        ),
    };
    let rate = defaults.success_rate;
    let factor = count(&mut value.success_rate_stdev_factor, 1900);
    let failure = defaults.failure_percentage;
    let base_ejection = span(
        &mut value.base_ejection_time,
        defaults.base_ejection,
        "base_ejection_time",
    )?;
    let longest = defaults.max_ejection.max(base_ejection);
    let settings = OutlierSettings {
        consecutive_5xx: count(&mut value.consecutive_5xx, defaults.consecutive_5xx),
        consecutive_gateway: count(
            &mut value.consecutive_gateway_failure,
            defaults.consecutive_gateway,
        ),
        consecutive_local: count(
            &mut value.consecutive_local_origin_failure,
            defaults.consecutive_local,
        ),
        split: std::mem::take(&mut value.split_external_local_origin_errors),
        interval: span(&mut value.interval, defaults.interval, "interval")?,
        base_ejection,
        max_ejection: span(&mut value.max_ejection_time, longest, "max_ejection_time")?,
        jitter: span(
            &mut value.max_ejection_time_jitter,
            defaults.jitter,
            "max_ejection_time_jitter",
        )?,
        max_percent: count(&mut value.max_ejection_percent, defaults.max_percent),
        always_one: flag(value.always_eject_one_host.take(), defaults.always_one),
        enforcing,
        success_rate: SuccessRate {
            minimum_hosts: count(&mut value.success_rate_minimum_hosts, rate.minimum_hosts),
            request_volume: count(&mut value.success_rate_request_volume, rate.request_volume),
            deviations: f64::from(factor) / 1000.0,
        },
        failure_percentage: FailurePercentage {
            minimum_hosts: count(
                &mut value.failure_percentage_minimum_hosts,
                failure.minimum_hosts,
            ),
            request_volume: count(
                &mut value.failure_percentage_request_volume,
                failure.request_volume,
            ),
            threshold: count(&mut value.failure_percentage_threshold, failure.threshold),
        },
        health_check_unejects: flag(
            value.successful_active_health_check_uneject_host.take(),
            defaults.health_check_unejects,
        ),
    };
    if !flag(value.detect_degraded_hosts, false) {
        value.detect_degraded_hosts = None;
    }
    nothing_left(&value)?;
    Ok(settings)
}
