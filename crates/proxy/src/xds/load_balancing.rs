//! How a cluster balances, and how its endpoint sets are put together.

use ferromesh_proto::envoy::config::cluster::v3 as pb;
use ferromesh_proto::envoy::config::cluster::v3::cluster as detail;

use super::context::Context;
use super::fields::number;
use super::refusal::Refusal;
use crate::cluster::{LbPolicy, SetSettings};

/// Envoy's bound of a Maglev table.
const MAX_MAGLEV: u64 = 5_000_011;

/// Takes the policy out of a cluster; the settings of ORIGINAL_DST stay for its discovery.
pub(super) fn policy(
    value: &mut pb::Cluster,
    context: &mut Context<'_>,
) -> Result<LbPolicy, Refusal> {
    let config = value.lb_config.take();
    let policy = match value.lb_policy() {
        detail::LbPolicy::RoundRobin => LbPolicy::RoundRobin,
        detail::LbPolicy::LeastRequest => LbPolicy::LeastRequest {
            choices: match &config {
                Some(detail::LbConfig::LeastRequestLbConfig(config)) => {
                    number(config.choice_count).unwrap_or(2).max(2)
                }
                _ => 2,
            },
        },
        detail::LbPolicy::Random => LbPolicy::Random,
        detail::LbPolicy::RingHash => LbPolicy::RingHash {
            minimum_size: match &config {
                Some(detail::LbConfig::RingHashLbConfig(config)) => {
                    config.minimum_ring_size.map_or(1024, |size| size.value)
                }
                _ => 1024,
            },
        },
        detail::LbPolicy::Maglev => LbPolicy::Maglev {
            table_size: match &config {
                Some(detail::LbConfig::MaglevLbConfig(config)) => {
                    config.table_size.map_or(65_537, |size| size.value)
                }
                _ => 65_537,
            },
        },
        detail::LbPolicy::ClusterProvided => LbPolicy::OriginalDestination,
        detail::LbPolicy::LoadBalancingPolicyConfig => {
            return Err(Refusal::field("load_balancing_policy", "is not supported"));
        }
    };
    if let LbPolicy::Maglev { table_size } = policy
        && table_size > MAX_MAGLEV
    {
        let reason = format!("{table_size} is above {MAX_MAGLEV}");
        return Err(Refusal::field("maglev_lb_config.table_size", reason));
    }
    value.lb_policy = 0;
    let slow_start = match &config {
        Some(detail::LbConfig::LeastRequestLbConfig(config)) => config.slow_start_config.is_some(),
        Some(detail::LbConfig::RoundRobinLbConfig(config)) => config.slow_start_config.is_some(),
        _ => false,
    };
    if slow_start {
        context.without_effect("slow_start_config");
    }
    // The port of ORIGINAL_DST clusters is read with their discovery type.
    value.lb_config = config.filter(|c| matches!(c, detail::LbConfig::OriginalDstLbConfig(_)));
    Ok(policy)
}

/// Reads the common settings out of a cluster.
pub(super) fn set_settings(value: &mut pb::Cluster, name: &str) -> Result<SetSettings, Refusal> {
    let mut settings = SetSettings {
        // Proxies with the same config must not all begin with the same endpoint.
        seed: fastrand::usize(..),
        ..SetSettings::default()
    };
    let Some(common) = &value.common_lb_config else {
        return Ok(settings);
    };
    if let Some(threshold) = &common.healthy_panic_threshold {
        settings.panic_threshold = threshold.value.clamp(0.0, 100.0) as u32;
    }
    settings.locality_weighted = matches!(
        common.locality_config_specifier,
        Some(detail::common_lb_config::LocalityConfigSpecifier::LocalityWeightedLbConfig(_))
    );
    if common.consistent_hashing_lb_config.is_some() {
        let reason = format!("is not supported (cluster {name})");
        return Err(Refusal::field(
            "common_lb_config.consistent_hashing_lb_config",
            reason,
        ));
    }
    Ok(settings)
}
