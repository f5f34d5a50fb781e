//! What a state-of-the-world request means.
//!
//! Each request lists every name that the client wants; whether it is an ACK, a NACK, stale or a
//! changed subscription follows from its nonce and from the difference to the last list.

use std::sync::Arc;

use ferromesh_proto::envoy::service::discovery::v3::DiscoveryRequest;
use ferromesh_types::Str;

use super::delta::judge;
use super::stream::{Demand, Reaction, ServerStream, Wanted};
use super::watch::Watch;

impl ServerStream {
    pub(super) fn receive_state_of_the_world(&mut self, request: DiscoveryRequest) -> Reaction {
        let interner = Arc::clone(&self.interner);
        let by_default = (self.settings.wildcard_by_default)(&request.type_url);
        let named: Vec<&String> = request.resource_names.iter().collect();
        let wildcard = named.iter().any(|name| *name == "*") || (named.is_empty() && by_default);
        let names: Vec<&str> = named
            .iter()
            .map(|name| name.as_str())
            .filter(|name| *name != "*")
            .collect();
        let Some(watch) = self.watch_mut(&request.type_url) else {
            if !wildcard && names.is_empty() {
                return Reaction::default();
            }
            let mut watch = Watch::new(&request.type_url);
            watch.wildcard = wildcard;
            watch.names = interner.intern(&names);
            let demand = everything(&watch);
            self.watches.push(watch);
            return demand;
        };
        if request.response_nonce.is_empty() && request.error_detail.is_none() {
            // The client begins the type anew.
            watch.wildcard = wildcard;
            watch.names = interner.intern(&names);
            return if wildcard || !watch.names.is_empty() {
                everything(watch)
            } else {
                Reaction::default()
            };
        }
        if *request.response_nonce != *watch.nonce_sent {
            return Reaction::default();
        }
        let rejection = request.error_detail.as_ref().map(|e| e.message.as_str());
        let verdict = judge(watch, &request.response_nonce, rejection);
        if rejection.is_some() {
            return Reaction {
                verdict,
                demand: None,
            };
        }
        if !wildcard && names.is_empty() {
            self.watches
                .retain(|watch| watch.type_url != *request.type_url);
            return Reaction {
                verdict,
                demand: None,
            };
        }
        let demand = changed_subscription(watch, wildcard, interner.intern(&names));
        Reaction { verdict, demand }
    }
}

fn everything(watch: &Watch) -> Reaction {
    Reaction {
        verdict: None,
        demand: Some(Demand {
            type_url: watch.type_url.clone(),
            wanted: Wanted::All,
        }),
    }
}

/// Takes over the new list of names; what it adds has to be sent.
fn changed_subscription(
    watch: &mut Watch,
    wildcard: bool,
    names: Arc<crate::NameSet>,
) -> Option<Demand> {
    let again = std::mem::take(&mut watch.answer_next);
    let opens_wildcard = wildcard && !watch.wildcard;
    let added: Vec<Str> = names
        .iter()
        .filter(|name| !watch.names.contains(name))
        .cloned()
        .collect();
    watch.wildcard = wildcard;
    watch.names = names;
    let wanted = if again || opens_wildcard {
        Wanted::All
    } else if !added.is_empty() {
        Wanted::Names(added)
    } else {
        return None;
    };
    Some(Demand {
        type_url: watch.type_url.clone(),
        wanted,
    })
}
