//! Where a request goes: upgrade, cluster, endpoint.

use std::sync::Arc;

use ferromesh_http::Method;
use ferromesh_route::action::Forward;
use ferromesh_route::hash_policy::{HashSource, set_cookie};

use super::exchange::Exchange;
use super::local_reply::LocalReply;
use super::mutate;
use super::retry::Retries;
use super::view::RequestLookup;
use crate::cluster::{Endpoint, PickContext};
use crate::compiled::{ClientChoice, Cluster};
use crate::upstream::{hash_address, hash_text, predicted};

impl Exchange<'_> {
    /// Whether the upgrade that the request asks for is allowed.
    pub(super) fn check_upgrade(&self, forward: &Forward) -> Result<(), LocalReply> {
        let name = match self.head.protocol() {
            Some(protocol) => protocol.to_ascii_lowercase(),
            None if self.head.method == Method::CONNECT => "connect".to_owned(),
            None => return Ok(()),
        };
        let by_route = forward
            .upgrades
            .iter()
            .find(|(upgrade, _)| *upgrade == name);
        let by_manager = self
            .manager
            .upgrades
            .iter()
            .find(|upgrade| upgrade.name == name);
        let allowed = match (by_route, by_manager) {
            (Some((_, allowed)), _) => *allowed,
            (None, Some(upgrade)) => upgrade.enabled,
            (None, None) => false,
        };
        if allowed {
            Ok(())
        } else {
            Err(LocalReply::upgrade_refused())
        }
    }

    /// The cluster, and the authority that a weighted choice asks for.
    pub(super) fn choose_cluster(
        &mut self,
        forward: &Forward,
    ) -> Result<(Arc<Cluster>, Option<String>), LocalReply> {
        let view = self.view();
        let chosen = forward.cluster.choose(&view, self.draw);
        let Some(cluster) = self.config.cluster(&chosen.name).cloned() else {
            self.manager.stats.no_cluster().inc();
            return Err(LocalReply::no_cluster(forward.cluster_not_found_status));
        };
        let weighted = chosen.weighted.cloned();
        self.wanted = match &weighted {
            Some(weighted) => weighted.endpoint_match.clone(),
            None => forward.endpoint_match.clone(),
        };
        self.cluster = Some(Arc::clone(&cluster));
        let mut host = None;
        if let Some(weighted) = weighted {
            host = weighted
                .host_rewrite
                .as_ref()
                .map(|host| host.as_str().to_owned());
            if !weighted.headers.is_empty() {
                let before = self.head.clone();
                let lookup = RequestLookup(&before);
                let mut head = self.head.clone();
                mutate::request(&weighted.headers, &mut head, &self.base_record(&lookup));
                self.head = head;
            }
        }
        Ok((cluster, host))
    }

    /// The endpoint for the next try.
    pub(super) fn pick(
        &mut self,
        cluster: &Arc<Cluster>,
        hash: Option<u64>,
        retries: &Retries,
    ) -> Option<Arc<Endpoint>> {
        match cluster.choice_of_client(|| self.connection.asks_for(self.head.authority())) {
            ClientChoice::Endpoint(endpoint) => return Some(endpoint),
            ClientChoice::Unknown => return None,
            ClientChoice::Balanced => {}
        }
        let (previous, host_selection_attempts) = retries.avoid();
        let previous_priorities = retries.avoided_priorities();
        let wanted = self.wanted.as_deref();
        if previous.is_empty()
            && let Some(endpoint) = predicted(self.worker, cluster)
        {
            return Some(endpoint);
        }
        self.worker.with_random(|random| {
            cluster.pick(&mut PickContext {
                random,
                hash,
                previous,
                wanted,
                previous_priorities,
                host_selection_attempts,
            })
        })
    }

    /// The hash of the request, for clusters that balance by it.
    /// May make a cookie, which the answer takes along.
    pub(super) fn hash(&mut self, forward: &Forward, cluster: &Cluster) -> Option<u64> {
        if !cluster.lb.is_hashing() {
            return None;
        }
        let mut hash = None;
        for policy in &forward.hash_policies {
            let input = match &policy.source {
                HashSource::Header(name) => {
                    let value = self.head.headers.joined(name);
                    value.map(|value| hash_text(&value))
                }
                HashSource::Cookie { name, .. } if self.cookie(name).is_some() => {
                    self.cookie(name).map(hash_text)
                }
                HashSource::Cookie {
                    name,
                    path,
                    lifetime,
                    attributes,
                } => lifetime.map(|lifetime| {
                    let value = format!("{:016x}", self.worker.random());
                    let cookie = set_cookie(name, &value, path, lifetime, attributes);
                    self.outcome.cookies.push(cookie);
                    hash_text(&value)
                }),
                HashSource::SourceIp => Some(hash_address(self.client.ip())),
                HashSource::QueryParameter(name) => self.query_parameter(name).map(hash_text),
            };
            if let Some(input) = input {
                hash = Some(hash.map_or(input, |hash: u64| hash.rotate_left(1) ^ input));
                if policy.terminal {
                    break;
                }
            }
        }
        hash
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.head.headers.text("cookie")?;
        cookies
            .split(';')
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value.trim_matches('"')))
            .filter(|value| !value.is_empty())
    }

    fn query_parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.head.path().split_once('?')?;
        query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find_map(|(key, value)| (key == name).then_some(value))
    }
}
