//! Retry policies of routes and virtual hosts.

use std::mem::take;
use std::time::Duration;

use ferromesh_proto::envoy::config::route::v3 as pb;
use ferromesh_proto::envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;
use ferromesh_proto::{any, type_url};
use ferromesh_route::retry::{ResetFormat, ResetHeader};
use ferromesh_route::{RetryOn, RetryPolicy};

use super::fields::{duration, limit, number};
use super::matchers;
use super::refusal::{At, Refusal, nothing_left};

/// Compiles a retry policy.
pub(super) fn compile(mut policy: pb::RetryPolicy) -> Result<RetryPolicy, Refusal> {
    let defaults = RetryPolicy::default();
    let base = policy.retry_back_off.take();
    let (base_interval, max_interval) = back_off(base, &defaults).at("retry_back_off")?;
    let attempts = take(&mut policy.host_selection_retry_max_attempts);
    let predicates = take(&mut policy.retry_host_predicate);
    let rate_limited = policy.rate_limited_retry_back_off.take();
    let (reset_headers, reset_max_interval) =
        reset_back_off(rate_limited, &defaults).at("rate_limited_retry_back_off")?;
    let compiled = RetryPolicy {
        on: RetryOn::parse(&take(&mut policy.retry_on)),
        retries: number(policy.num_retries.take()).unwrap_or(defaults.retries),
        per_try_timeout: limit(policy.per_try_timeout.take(), None).at("per_try_timeout")?,
        per_try_idle_timeout: limit(policy.per_try_idle_timeout.take(), None)
            .at("per_try_idle_timeout")?,
        base_interval,
        max_interval,
        status_codes: status_codes(take(&mut policy.retriable_status_codes)),
        response_headers: matchers::headers(
            take(&mut policy.retriable_headers),
            "retriable_headers",
        )?,
        request_headers: matchers::headers(
            take(&mut policy.retriable_request_headers),
            "retriable_request_headers",
        )?,
        avoid_previous_hosts: previous_hosts(predicates)?,
        avoid_previous_priorities: previous_priorities(policy.retry_priority.take())?,
        host_selection_attempts: u32::try_from(attempts).unwrap_or(0).max(1),
        reset_headers,
        reset_max_interval,
    };
    nothing_left(&policy)?;
    Ok(compiled)
}

fn status_codes(codes: Vec<u32>) -> Vec<u16> {
    codes
        .into_iter()
        .filter_map(|code| u16::try_from(code).ok())
        .collect()
}

fn back_off(
    value: Option<pb::retry_policy::RetryBackOff>,
    defaults: &RetryPolicy,
) -> Result<(Duration, Duration), Refusal> {
    let Some(value) = value else {
        return Ok((defaults.base_interval, defaults.max_interval));
    };
    let base = match value.base_interval {
        Some(base) => duration(base).at("base_interval")?,
        None => defaults.base_interval,
    };
    let max = match value.max_interval {
        Some(max) => duration(max).at("max_interval")?,
        None => base * 10,
    };
    Ok((base, max))
}

fn previous_hosts(predicates: Vec<pb::retry_policy::RetryHostPredicate>) -> Result<bool, Refusal> {
    for predicate in &predicates {
        // Older control planes send the name alone.
        if predicate.name != "envoy.retry_host_predicates.previous_hosts" {
            let reason = format!("{} is not supported", predicate.name);
            return Err(Refusal::field("retry_host_predicate", reason));
        }
    }
    Ok(!predicates.is_empty())
}

fn reset_back_off(
    value: Option<pb::retry_policy::RateLimitedRetryBackOff>,
    defaults: &RetryPolicy,
) -> Result<(Vec<ResetHeader>, Duration), Refusal> {
    use pb::retry_policy::ResetHeaderFormat;
    let value = value.unwrap_or_default();
    let each = |header: pb::retry_policy::ResetHeader| ResetHeader {
        format: match header.format() {
            ResetHeaderFormat::Seconds => ResetFormat::Seconds,
            ResetHeaderFormat::UnixTimestamp => ResetFormat::UnixTimestamp,
        },
        name: header.name.to_ascii_lowercase().into(),
    };
    let headers = value.reset_headers.into_iter().map(each).collect();
    let most = value.max_interval.map(duration).transpose();
    let most = most.at("max_interval")?;
    Ok((headers, most.unwrap_or(defaults.reset_max_interval)))
}

/// How many tries a priority gets before the next one.
fn previous_priorities(
    priority: Option<pb::retry_policy::RetryPriority>,
) -> Result<Option<u32>, Refusal> {
    use pb::retry_policy::retry_priority::ConfigType;
    const DEFAULT_FREQUENCY: u32 = 2;
    let Some(priority) = priority else {
        return Ok(None);
    };
    let Some(ConfigType::TypedConfig(config)) = &priority.config_type else {
        let known = priority.name == "envoy.retry_priorities.previous_priorities";
        return Ok(known.then_some(DEFAULT_FREQUENCY));
    };
    let resolved = any::resolve(config).at("retry_priority.typed_config")?;
    let name = type_url::message_name(&resolved.type_url);
    if name.ends_with("PreviousPrioritiesConfig") {
        let config: PreviousPrioritiesConfig =
            any::unpack(&resolved).at("retry_priority.typed_config")?;
        Ok(Some(
            u32::try_from(config.update_frequency).unwrap_or(0).max(1),
        ))
    } else {
        let reason = format!("{name} is not supported");
        Err(Refusal::field("retry_priority", reason))
    }
}
