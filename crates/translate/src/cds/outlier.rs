//! Ejection of endpoints that fail.

use ferromesh_config::kind::destination_rule::OutlierDetection as Settings;
use ferromesh_proto::envoy::config::cluster::v3::{Cluster, OutlierDetection};
use ferromesh_proto::google::protobuf::UInt32Value;

use crate::value::{duration, flag, number, percent};

/// Applies the settings. The panic threshold becomes `minHealthPercent`, zero if nothing is said:
/// with a few pods per service Envoy's 50 % would switch ejection off most of the time. And one
/// ejection is always allowed, since 10 % of a few endpoints is none.
pub(crate) fn apply(cluster: &mut Cluster, settings: &Settings) {
    cluster.outlier_detection = Some(detection(settings));
    let common = cluster.common_lb_config.get_or_insert_default();
    common.healthy_panic_threshold = Some(percent(f64::from(settings.min_health_percent)));
}

fn detection(settings: &Settings) -> OutlierDetection {
    let (consecutive_5xx, enforcing_consecutive_5xx) = counted(settings.consecutive_5xx_errors);
    let (consecutive_gateway_failure, enforcing_consecutive_gateway_failure) =
        counted(settings.consecutive_gateway_errors);
    let split = settings.split_external_local_origin_errors;
    let local = settings
        .consecutive_local_origin_failures
        .filter(|&failures| split && failures > 0);
    OutlierDetection {
        consecutive_5xx,
        enforcing_consecutive_5xx,
        consecutive_gateway_failure,
        enforcing_consecutive_gateway_failure,
        interval: settings.interval.map(|interval| duration(*interval)),
        base_ejection_time: settings.base_ejection_time.map(|time| duration(*time)),
        max_ejection_percent: (settings.max_ejection_percent > 0)
            .then_some(settings.max_ejection_percent)
            .and_then(number),
        // Success rates need more endpoints and requests than a service mostly has.
        enforcing_success_rate: number(0),
        split_external_local_origin_errors: split,
        consecutive_local_origin_failure: local.and_then(number),
        enforcing_consecutive_local_origin_failure: local.and_then(|_| number(100)),
        enforcing_local_origin_success_rate: split.then_some(0).and_then(number),
        always_eject_one_host: flag(true),
        ..Default::default()
    }
}

/// A count and whether it is enforced: zero switches it off.
fn counted(errors: Option<u32>) -> (Option<UInt32Value>, Option<UInt32Value>) {
    let enforced = errors.map(|errors| if errors > 0 { 100 } else { 0 });
    (errors.and_then(number), enforced.and_then(number))
}
