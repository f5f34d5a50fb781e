//! The choice of an endpoint: algorithm, hash ring, slow start, weight of localities.

use std::time::Duration;

use ferromesh_config::kind::destination_rule::{
    ConsistentHashLb, LoadBalancerSettings, LocalityLbSetting, SimpleLb, Warmup,
};
use ferromesh_proto::envoy::config::cluster::v3::{
    Cluster,
    cluster::{
        CommonLbConfig, LbConfig, LbPolicy, LeastRequestLbConfig, MaglevLbConfig, RingHashLbConfig,
        RoundRobinLbConfig, SlowStartConfig,
        common_lb_config::{LocalityConfigSpecifier, LocalityWeightedLbConfig},
    },
};
use ferromesh_proto::envoy::config::core::v3::RuntimeDouble;
use ferromesh_proto::google::protobuf::UInt64Value;

use crate::value::{duration, percent};

/// Points of the ring when nothing is said, enough for even shares of some dozen endpoints.
const DEFAULT_RING_SIZE: u64 = 1024;

/// A runtime key is mandatory beside the aggression; this one is never set.
const AGGRESSION_RUNTIME_KEY: &str = "upstream.slow_start.aggression";

/// What the settings ask of the cluster's discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Among the endpoints that discovery finds.
    Balanced,
    /// The address that the client asked for.
    OriginalDestination,
}

/// Applies the settings to a cluster with endpoints.
pub(crate) fn apply(
    cluster: &mut Cluster,
    settings: Option<&LoadBalancerSettings>,
    locality: Option<&LocalityLbSetting>,
) -> Choice {
    let mut common = CommonLbConfig::default();
    if locality.is_some_and(is_weighted) {
        common.locality_config_specifier = Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(
            LocalityWeightedLbConfig::default(),
        ));
    }
    cluster.common_lb_config = Some(common);
    if let Some(hash) = settings.and_then(|s| s.consistent_hash.as_ref()) {
        apply_hash(cluster, hash);
        return Choice::Balanced;
    }
    let slow_start = settings.and_then(slow_start);
    match settings.and_then(|s| s.simple).unwrap_or_default() {
        SimpleLb::Passthrough => return Choice::OriginalDestination,
        SimpleLb::Random => cluster.lb_policy = LbPolicy::Random as i32,
        SimpleLb::RoundRobin => {
            cluster.lb_policy = LbPolicy::RoundRobin as i32;
            cluster.lb_config = slow_start.map(|slow_start_config| {
                LbConfig::RoundRobinLbConfig(RoundRobinLbConfig {
                    slow_start_config: Some(slow_start_config),
                })
            });
        }
        SimpleLb::Unspecified | SimpleLb::LeastConn | SimpleLb::LeastRequest => {
            cluster.lb_policy = LbPolicy::LeastRequest as i32;
            cluster.lb_config = slow_start.map(|slow_start_config| {
                LbConfig::LeastRequestLbConfig(LeastRequestLbConfig {
                    slow_start_config: Some(slow_start_config),
                    ..Default::default()
                })
            });
        }
    }
    Choice::Balanced
}

/// The locality setting in force: the rule's own, else the mesh's; `None` if it is switched off.
pub(crate) fn locality_setting<'a>(
    own: Option<&'a LoadBalancerSettings>,
    mesh: &'a LocalityLbSetting,
) -> Option<&'a LocalityLbSetting> {
    let setting = own
        .and_then(|settings| settings.locality_lb_setting.as_ref())
        .unwrap_or(mesh);
    (setting.enabled != Some(false)).then_some(setting)
}

/// Whether the weights of localities count, not only their priorities.
fn is_weighted(setting: &LocalityLbSetting) -> bool {
    !setting.distribute.is_empty()
        || !setting.failover.is_empty()
        || !setting.failover_priority.is_empty()
}

fn apply_hash(cluster: &mut Cluster, hash: &ConsistentHashLb) {
    if let Some(maglev) = hash.maglev {
        cluster.lb_policy = LbPolicy::Maglev as i32;
        cluster.lb_config = maglev.table_size.map(|value| {
            LbConfig::MaglevLbConfig(MaglevLbConfig {
                table_size: Some(UInt64Value { value }),
            })
        });
        return;
    }
    let size = match hash.ring_hash {
        Some(ring) => ring.minimum_ring_size,
        None => Some(hash.minimum_ring_size.unwrap_or(DEFAULT_RING_SIZE)),
    };
    cluster.lb_policy = LbPolicy::RingHash as i32;
    cluster.lb_config = size.map(|value| {
        LbConfig::RingHashLbConfig(RingHashLbConfig {
            minimum_ring_size: Some(UInt64Value { value }),
            ..Default::default()
        })
    });
}

fn slow_start(settings: &LoadBalancerSettings) -> Option<SlowStartConfig> {
    if let Some(warmup) = settings.warmup {
        return Some(grown(warmup));
    }
    settings.warmup_duration_secs.map(|window| SlowStartConfig {
        slow_start_window: Some(duration(*window)),
        ..Default::default()
    })
}

fn grown(warmup: Warmup) -> SlowStartConfig {
    let window: Duration = warmup.duration.map(|window| *window).unwrap_or_default();
    SlowStartConfig {
        slow_start_window: Some(duration(window)),
        aggression: Some(RuntimeDouble {
            default_value: warmup.aggression.unwrap_or(1.0),
            runtime_key: AGGRESSION_RUNTIME_KEY.to_owned(),
        }),
        min_weight_percent: Some(percent(warmup.minimum_percent.unwrap_or(10.0))),
    }
}
