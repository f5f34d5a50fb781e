//! What a delta request means.
//!
//! One request may do two things: answer a response (it carries the nonce) and change the
//! subscription. A request without a nonce is spontaneous.

use std::sync::Arc;

use bytes::Bytes;
use ferromesh_proto::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use ferromesh_types::Str;

use super::stream::{Demand, Reaction, ServerStream, Verdict, Wanted};
use super::watch::{Watch, nonce_number};
use crate::{EncodedResource, ResourceSet, Version};

impl ServerStream {
    pub(super) fn receive_delta(&mut self, request: DeltaDiscoveryRequest) -> Reaction {
        match self.watch(&request.type_url) {
            None => self.begin_delta(request),
            Some(_) => self.continue_delta(request),
        }
    }

    /// The first request of a type. What the client says it holds counts as sent.
    fn begin_delta(&mut self, request: DeltaDiscoveryRequest) -> Reaction {
        let mut watch = Watch::new(&request.type_url);
        let mut names = request.resource_names_subscribe;
        let nothing_named = names.is_empty();
        watch.wildcard = names.iter().any(|name| name == "*")
            || (nothing_named && (self.settings.wildcard_by_default)(&request.type_url));
        watch.sent = held_set(&request.initial_resource_versions);
        if !watch.wildcard {
            names.extend(request.initial_resource_versions.into_keys());
        }
        names.retain(|name| name != "*");
        watch.names = self.interner.intern(&names);
        let demand = Demand {
            type_url: watch.type_url.clone(),
            wanted: Wanted::Missing,
        };
        self.watches.push(watch);
        Reaction {
            verdict: None,
            demand: Some(demand),
        }
    }

    fn continue_delta(&mut self, request: DeltaDiscoveryRequest) -> Reaction {
        let interner = Arc::clone(&self.interner);
        let Some(watch) = self.watch_mut(&request.type_url) else {
            return Reaction::default();
        };
        let rejection = request.error_detail.as_ref().map(|e| e.message.as_str());
        let verdict = judge(watch, &request.response_nonce, rejection);
        let (subscribe, unsubscribe) = (
            request.resource_names_subscribe,
            request.resource_names_unsubscribe,
        );
        if subscribe.is_empty() && unsubscribe.is_empty() {
            return Reaction {
                verdict,
                demand: None,
            };
        }
        let opens_wildcard = subscribe.iter().any(|name| name == "*") && !watch.wildcard;
        watch.wildcard |= opens_wildcard;
        watch.wildcard &= !unsubscribe.iter().any(|name| name == "*");
        let kept = watch.names.iter().map(Str::as_str);
        let kept = kept.filter(|held| !unsubscribe.iter().any(|gone| gone == held));
        let added = subscribe.iter().map(String::as_str);
        let names: Vec<&str> = kept.chain(added).filter(|name| *name != "*").collect();
        watch.names = interner.intern(&names);
        // A name that the wildcard still covers is sent again: the client dropped it.
        let still_covered = unsubscribe.iter().filter(|_| watch.wildcard);
        let mut wanted: Vec<Str> = subscribe
            .iter()
            .chain(still_covered)
            .filter(|name| *name != "*")
            .map(Str::from)
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let demand = (opens_wildcard || !wanted.is_empty()).then(|| Demand {
            type_url: watch.type_url.clone(),
            wanted: if opens_wildcard && wanted.is_empty() {
                Wanted::Missing
            } else {
                Wanted::Names(wanted)
            },
        });
        Reaction { verdict, demand }
    }
}

/// Books the answer to a response. Nonces that this stream never sent are ignored.
pub(super) fn judge(watch: &mut Watch, nonce: &str, rejection: Option<&str>) -> Option<Verdict> {
    let number = nonce_number(nonce).filter(|number| *number <= watch.last_nonce)?;
    Some(match rejection {
        Some(detail) => {
            watch.reject(number, detail);
            Verdict::Rejected(detail.into())
        }
        None => {
            watch.accept(number);
            Verdict::Accepted
        }
    })
}

/// The resources that a reconnecting client says it holds, without their bodies.
fn held_set(versions: &std::collections::HashMap<String, String>) -> Arc<ResourceSet> {
    let held = versions.iter().map(|(name, version)| {
        Arc::new(EncodedResource {
            name: name.into(),
            // A version of another server equals none of ours: zero stands for "unknown".
            version: Version::parse(version).unwrap_or_default(),
            body: Bytes::new(),
        })
    });
    Arc::new(held.collect())
}
