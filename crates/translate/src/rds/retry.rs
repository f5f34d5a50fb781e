//! Retries: what a route, the mesh, or nobody says about them.

use ferromesh_config::kind::virtual_service::HttpRetry;
use ferromesh_proto::envoy::config::route::v3::{
    RetryPolicy,
    retry_policy::{
        RetryBackOff, RetryHostPredicate, RetryPriority, retry_host_predicate, retry_priority,
    },
};
use ferromesh_proto::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use ferromesh_proto::envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;

use crate::value::{any, duration, number};

/// Conditions of the default policy: failures before the request can have had an effect.
const DEFAULT_CONDITIONS: &str =
    "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";

/// Retries of the default policy.
const DEFAULT_ATTEMPTS: u32 = 2;

/// How often another host is looked for before a known one is taken.
const HOST_SELECTION_ATTEMPTS: i64 = 5;

/// How many tries a priority gets before the next one.
const PRIORITY_UPDATE_FREQUENCY: i32 = 2;

/// The policy of a route: its own words, else the mesh's, else the default. `None` means that
/// nothing is retried. With `sticky` (consistent hashing) a retry stays with the hash's host.
pub(crate) fn policy(
    own: Option<&HttpRetry>,
    mesh: Option<&HttpRetry>,
    sticky: bool,
) -> Option<RetryPolicy> {
    let Some(written) = own.or(mesh) else {
        return Some(default_policy(sticky));
    };
    let attempts = Some(written.attempts).filter(|&attempts| attempts > 0)?;
    let mut policy = RetryPolicy {
        num_retries: number(attempts),
        per_try_timeout: written
            .per_try_timeout
            .filter(|limit| !limit.is_zero())
            .map(|limit| duration(*limit)),
        // Zero is no time that a proxy could wait; its own default is.
        retry_back_off: (written.backoff)
            .filter(|base| !base.is_zero())
            .map(|base| RetryBackOff {
                base_interval: Some(duration(*base)),
                ..Default::default()
            }),
        ..default_policy(sticky)
    };
    if !written.retry_on.is_empty() {
        (policy.retry_on, policy.retriable_status_codes) = conditions(&written.retry_on);
    }
    if written.retry_remote_localities == Some(true) {
        policy.retry_priority = Some(other_priorities());
    }
    match written.retry_ignore_previous_hosts {
        Some(false) => policy.retry_host_predicate.clear(),
        Some(true) => policy.retry_host_predicate = vec![other_hosts()],
        None => {}
    }
    Some(policy)
}

fn default_policy(sticky: bool) -> RetryPolicy {
    RetryPolicy {
        retry_on: DEFAULT_CONDITIONS.to_owned(),
        num_retries: number(DEFAULT_ATTEMPTS),
        retry_host_predicate: (!sticky).then(other_hosts).into_iter().collect(),
        host_selection_retry_max_attempts: if sticky { 0 } else { HOST_SELECTION_ATTEMPTS },
        ..Default::default()
    }
}

/// Status codes among the conditions are a list of their own to Envoy.
fn conditions(written: &str) -> (String, Vec<u32>) {
    let (codes, mut names): (Vec<&str>, Vec<&str>) = written
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .partition(|part| part.bytes().all(|b| b.is_ascii_digit()));
    let codes: Vec<u32> = codes
        .into_iter()
        .filter_map(|code| code.parse().ok())
        .collect();
    if !codes.is_empty() && !names.contains(&"retriable-status-codes") {
        names.push("retriable-status-codes");
    }
    (names.join(","), codes)
}

fn other_hosts() -> RetryHostPredicate {
    RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: Some(retry_host_predicate::ConfigType::TypedConfig(any(
            &PreviousHostsPredicate {},
        ))),
    }
}

fn other_priorities() -> RetryPriority {
    RetryPriority {
        name: "envoy.retry_priorities.previous_priorities".to_owned(),
        config_type: Some(retry_priority::ConfigType::TypedConfig(any(
            &PreviousPrioritiesConfig {
                update_frequency: PRIORITY_UPDATE_FREQUENCY,
            },
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_word_the_default_holds_and_zero_attempts_switch_it_off() {
        let default = policy(None, None, false).expect("retries by default");
        assert_eq!(default.num_retries, number(2));
        assert!(default.retriable_status_codes.is_empty());
        assert!(policy(Some(&HttpRetry::default()), None, false).is_none());
        let mesh = HttpRetry {
            attempts: 7,
            ..Default::default()
        };
        let inherited = policy(None, Some(&mesh), false).expect("the mesh's policy");
        assert_eq!(inherited.num_retries, number(7));
    }

    #[test]
    fn status_codes_are_taken_out_of_the_conditions() {
        assert_eq!(
            conditions("5xx, 503,reset"),
            ("5xx,reset,retriable-status-codes".to_owned(), vec![503])
        );
        assert_eq!(conditions("reset"), ("reset".to_owned(), vec![]));
    }
}
