//! How a cluster balances: the older fields (`lb_policy` and its settings, `common_lb_config`) and
//! the extension form (`load_balancing_policy`).

use std::mem::take;
use std::time::Duration;

use ferromesh_proto::envoy::config::cluster::v3 as pb;
use ferromesh_proto::envoy::config::cluster::v3::cluster as detail;
use ferromesh_proto::envoy::config::cluster::v3::cluster::ring_hash_lb_config::HashFunction as RingFunction;
use ferromesh_proto::envoy::config::core::v3::RuntimeDouble;
use ferromesh_proto::envoy::extensions::load_balancing_policies as policies;
use ferromesh_proto::envoy::extensions::load_balancing_policies::ring_hash::v3::ring_hash::HashFunction as NewerRingFunction;
use ferromesh_proto::envoy::r#type::v3::Percent;
use ferromesh_proto::google::protobuf::Duration as PbDuration;
use ferromesh_proto::{any, type_url};

use super::fields::{duration, number};
use super::refusal::{At, Refusal, nothing_left};
use crate::cluster::lb::SlowStart;
use crate::cluster::{HashFunction, LbPolicy, SetSettings};

/// Envoy's bound of a Maglev table, and of a ring.
const MAX_MAGLEV: u64 = 5_000_011;
const MAX_RING: u64 = 8 << 20;

/// Envoy's table of Maglev when nothing is said.
const MAGLEV: u64 = 65_537;

/// What a policy says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Balancing {
    pub(super) policy: LbPolicy,
    slow_start: Option<SlowStart>,
    locality_weighted: bool,
    fail_in_panic: bool,
    by_hostname: bool,
}

impl Balancing {
    fn plain(policy: LbPolicy) -> Self {
        Self {
            policy,
            slow_start: None,
            locality_weighted: false,
            fail_in_panic: false,
            by_hostname: false,
        }
    }
}

/// Takes the policy out of a cluster; the settings of ORIGINAL_DST stay for its discovery.
pub(super) fn policy(value: &mut pb::Cluster) -> Result<Balancing, Refusal> {
    if let Some(extension) = value.load_balancing_policy.take() {
        value.lb_policy = 0;
        return extensions(extension).at("load_balancing_policy");
    }
    let config = value.lb_config.take();
    let kind = value.lb_policy();
    value.lb_policy = 0;
    let (policy, slow_start) = match (kind, &config) {
        (detail::LbPolicy::RoundRobin, Some(detail::LbConfig::RoundRobinLbConfig(config))) => (
            LbPolicy::RoundRobin,
            older_slow_start(config.slow_start_config.clone())?,
        ),
        (detail::LbPolicy::RoundRobin, _) => (LbPolicy::RoundRobin, None),
        (detail::LbPolicy::LeastRequest, Some(detail::LbConfig::LeastRequestLbConfig(config))) => {
            let bias = config.active_request_bias.as_ref();
            let policy = least_request(number(config.choice_count), bias, false)?;
            (policy, older_slow_start(config.slow_start_config.clone())?)
        }
        (detail::LbPolicy::LeastRequest, _) => (least_request(None, None, false)?, None),
        (detail::LbPolicy::Random, _) => (LbPolicy::Random, None),
        (detail::LbPolicy::RingHash, Some(detail::LbConfig::RingHashLbConfig(config))) => {
            let least = config.minimum_ring_size.map(|size| size.value);
            let most = config.maximum_ring_size.map(|size| size.value);
            let function = match config.hash_function() {
                RingFunction::XxHash => HashFunction::XxHash,
                RingFunction::MurmurHash2 => HashFunction::MurmurHash2,
            };
            (ring_hash(least, most, function)?, None)
        }
        (detail::LbPolicy::RingHash, _) => (ring_hash(None, None, HashFunction::XxHash)?, None),
        (detail::LbPolicy::Maglev, Some(detail::LbConfig::MaglevLbConfig(config))) => {
            (maglev(config.table_size.map(|size| size.value))?, None)
        }
        (detail::LbPolicy::Maglev, _) => (maglev(None)?, None),
        (detail::LbPolicy::ClusterProvided, _) => (LbPolicy::ClusterProvided, None),
        (detail::LbPolicy::LoadBalancingPolicyConfig, _) => {
            return Err(Refusal::field("load_balancing_policy", "is needed"));
        }
    };
    // The port of ORIGINAL_DST clusters is read with their discovery type.
    value.lb_config = config.filter(|c| matches!(c, detail::LbConfig::OriginalDstLbConfig(_)));
    Ok(Balancing {
        slow_start,
        ..Balancing::plain(policy)
    })
}

fn least_request(
    choices: Option<u32>,
    bias: Option<&RuntimeDouble>,
    full_scan: bool,
) -> Result<LbPolicy, Refusal> {
    let bias = bias.map_or(1.0, |bias| bias.default_value);
    if bias.is_nan() || bias < 0.0 {
        return Err(Refusal::field(
            "active_request_bias",
            "must not be negative",
        ));
    }
    Ok(LbPolicy::LeastRequest {
        choices: choices.unwrap_or(2).max(2),
        bias,
        full_scan,
    })
}

fn ring_hash(
    least: Option<u64>,
    most: Option<u64>,
    function: HashFunction,
) -> Result<LbPolicy, Refusal> {
    let (minimum_size, maximum_size) = (least.unwrap_or(1024), most.unwrap_or(MAX_RING));
    for (field, size) in [
        ("minimum_ring_size", minimum_size),
        ("maximum_ring_size", maximum_size),
    ] {
        if size > MAX_RING {
            let reason = format!("{size} is above {MAX_RING}");
            return Err(Refusal::field(field, reason));
        }
    }
    if minimum_size > maximum_size {
        let reason = "must not be above maximum_ring_size";
        return Err(Refusal::field("minimum_ring_size", reason));
    }
    Ok(LbPolicy::RingHash {
        minimum_size,
        maximum_size,
        function,
        by_hostname: false,
    })
}

fn maglev(table_size: Option<u64>) -> Result<LbPolicy, Refusal> {
    let table_size = table_size.unwrap_or(MAGLEV);
    if table_size > MAX_MAGLEV {
        let reason = format!("{table_size} is above {MAX_MAGLEV}");
        return Err(Refusal::field("maglev_lb_config.table_size", reason));
    }
    Ok(LbPolicy::Maglev {
        table_size,
        by_hostname: false,
    })
}

fn older_slow_start(value: Option<detail::SlowStartConfig>) -> Result<Option<SlowStart>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    slow_start(
        value.slow_start_window,
        value.aggression,
        value.min_weight_percent,
    )
    .at("slow_start_config")
}

fn newer_slow_start(
    value: Option<policies::common::v3::SlowStartConfig>,
) -> Result<Option<SlowStart>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    slow_start(
        value.slow_start_window,
        value.aggression,
        value.min_weight_percent,
    )
    .at("slow_start_config")
}

fn slow_start(
    window: Option<PbDuration>,
    aggression: Option<RuntimeDouble>,
    least: Option<Percent>,
) -> Result<Option<SlowStart>, Refusal> {
    let window = window.map(duration).transpose().at("slow_start_window")?;
    let window = window.unwrap_or(Duration::ZERO);
    let aggression = aggression.map_or(1.0, |value| value.default_value);
    if aggression.is_nan() || aggression <= 0.0 {
        return Err(Refusal::field("aggression", "must be above zero"));
    }
    let least = least.map_or(10.0, |percent| percent.value);
    Ok((!window.is_zero()).then_some(SlowStart {
        window,
        aggression,
        least: (least / 100.0).clamp(0.0, 1.0),
    }))
}

/// The first policy of the list that is supported, as the list is meant.
fn extensions(value: pb::LoadBalancingPolicy) -> Result<Balancing, Refusal> {
    let mut refused = None;
    for (index, policy) in value.policies.into_iter().enumerate() {
        let config = policy.typed_extension_config.unwrap_or_default();
        let config = config.typed_config.unwrap_or_default();
        match extension(&config).at_index("policies", index) {
            Ok(balancing) => return Ok(balancing),
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    Err(refused.unwrap_or_else(|| Refusal::field("policies", "at least one is needed")))
}

fn extension(config: &ferromesh_proto::google::protobuf::Any) -> Result<Balancing, Refusal> {
    let resolved = any::resolve(config)?;
    let name = type_url::message_name(&resolved.type_url);
    let kind = name.strip_prefix("envoy.extensions.load_balancing_policies.");
    match kind.unwrap_or(name) {
        "round_robin.v3.RoundRobin" => {
            let value: policies::round_robin::v3::RoundRobin = any::unpack(&resolved)?;
            Ok(Balancing {
                slow_start: newer_slow_start(value.slow_start_config)?,
                ..by_locality(value.locality_lb_config, LbPolicy::RoundRobin)
            })
        }
        "least_request.v3.LeastRequest" => least_request_extension(any::unpack(&resolved)?),
        "random.v3.Random" => {
            let value: policies::random::v3::Random = any::unpack(&resolved)?;
            Ok(by_locality(value.locality_lb_config, LbPolicy::Random))
        }
        "ring_hash.v3.RingHash" => ring_hash_extension(any::unpack(&resolved)?),
        "maglev.v3.Maglev" => {
            let value: policies::maglev::v3::Maglev = any::unpack(&resolved)?;
            let policy = maglev(value.table_size.map(|size| size.value))?;
            let mut balancing = Balancing::plain(policy);
            balancing.locality_weighted = value.locality_weighted_lb_config.is_some();
            balancing.by_hostname = consistent(value.consistent_hashing_lb_config)?;
            Ok(balancing)
        }
        "cluster_provided.v3.ClusterProvided" => Ok(Balancing::plain(LbPolicy::ClusterProvided)),
        "wrr_locality.v3.WrrLocality" => {
            let value: policies::wrr_locality::v3::WrrLocality = any::unpack(&resolved)?;
            let inner = value.endpoint_picking_policy.unwrap_or_default();
            let inner = extensions(inner).at("endpoint_picking_policy")?;
            Ok(Balancing {
                locality_weighted: true,
                ..inner
            })
        }
        _ => Err(Refusal::new(format!("{name} is not supported"))),
    }
}

fn least_request_extension(
    value: policies::least_request::v3::LeastRequest,
) -> Result<Balancing, Refusal> {
    use policies::least_request::v3::least_request::SelectionMethod;
    let older = value.enable_full_scan.is_some_and(|flag| flag.value);
    let full_scan = older || value.selection_method() == SelectionMethod::FullScan;
    let bias = value.active_request_bias.as_ref();
    let policy = least_request(number(value.choice_count), bias, full_scan)?;
    Ok(Balancing {
        slow_start: newer_slow_start(value.slow_start_config)?,
        ..by_locality(value.locality_lb_config, policy)
    })
}

fn ring_hash_extension(value: policies::ring_hash::v3::RingHash) -> Result<Balancing, Refusal> {
    let least = value.minimum_ring_size.map(|size| size.value);
    let most = value.maximum_ring_size.map(|size| size.value);
    if value.hash_balance_factor.is_some() {
        return Err(Refusal::field("hash_balance_factor", "is not supported"));
    }
    let function = match value.hash_function() {
        NewerRingFunction::DefaultHash | NewerRingFunction::XxHash => HashFunction::XxHash,
        NewerRingFunction::MurmurHash2 => HashFunction::MurmurHash2,
    };
    let mut balancing = Balancing::plain(ring_hash(least, most, function)?);
    balancing.locality_weighted = value.locality_weighted_lb_config.is_some();
    balancing.by_hostname =
        value.use_hostname_for_hashing || consistent(value.consistent_hashing_lb_config)?;
    Ok(balancing)
}

fn consistent(
    value: Option<policies::common::v3::ConsistentHashingLbConfig>,
) -> Result<bool, Refusal> {
    let mut value = value.unwrap_or_default();
    let by_hostname = take(&mut value.use_hostname_for_hashing);
    nothing_left(&value).at("consistent_hashing_lb_config")?;
    Ok(by_hostname)
}

fn by_locality(
    value: Option<policies::common::v3::LocalityLbConfig>,
    policy: LbPolicy,
) -> Balancing {
    use policies::common::v3::locality_lb_config::LocalityConfigSpecifier;
    let mut balancing = Balancing::plain(policy);
    match value.and_then(|value| value.locality_config_specifier) {
        Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(_)) => {
            balancing.locality_weighted = true;
        }
        // Zones matter only to a proxy that knows its own cluster, which ours is not told.
        Some(LocalityConfigSpecifier::ZoneAwareLbConfig(zones)) => {
            balancing.fail_in_panic = zones.fail_traffic_on_panic;
        }
        None => {}
    }
    balancing
}

/// Reads the common settings out of a cluster. Gives the policy, which they may refine.
pub(super) fn set_settings(
    common: Option<detail::CommonLbConfig>,
    balancing: Balancing,
) -> Result<(LbPolicy, SetSettings), Refusal> {
    use detail::common_lb_config::LocalityConfigSpecifier;
    let mut common = common.unwrap_or_default();
    let mut settings = SetSettings {
        // Proxies with the same config must not all begin with the same endpoint.
        seed: fastrand::usize(..),
        locality_weighted: balancing.locality_weighted,
        fail_in_panic: balancing.fail_in_panic,
        slow_start: balancing.slow_start,
        excludes_unchecked: take(&mut common.ignore_new_hosts_until_first_hc),
        ..SetSettings::default()
    };
    if let Some(threshold) = common.healthy_panic_threshold.take() {
        settings.panic_threshold = threshold.value.clamp(0.0, 100.0) as u32;
    }
    match common.locality_config_specifier.take() {
        Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(_)) => {
            settings.locality_weighted = true;
        }
        Some(LocalityConfigSpecifier::ZoneAwareLbConfig(zones)) => {
            settings.fail_in_panic |= zones.fail_traffic_on_panic;
        }
        None => {}
    }
    let mut by_hostname = balancing.by_hostname;
    if let Some(mut consistent) = common.consistent_hashing_lb_config.take() {
        by_hostname |= take(&mut consistent.use_hostname_for_hashing);
        nothing_left(&consistent).at("consistent_hashing_lb_config")?;
    }
    // How updates are gathered, and which endpoints a sticky session may override.
    common.update_merge_window = None;
    common.override_host_status = None;
    common.close_connections_on_host_set_change = false;
    nothing_left(&common)?;
    Ok((naming(balancing.policy, by_hostname), settings))
}

fn naming(policy: LbPolicy, names: bool) -> LbPolicy {
    match policy {
        LbPolicy::RingHash {
            minimum_size,
            maximum_size,
            function,
            ..
        } => LbPolicy::RingHash {
            minimum_size,
            maximum_size,
            function,
            by_hostname: names,
        },
        LbPolicy::Maglev { table_size, .. } => LbPolicy::Maglev {
            table_size,
            by_hostname: names,
        },
        policy => policy,
    }
}
