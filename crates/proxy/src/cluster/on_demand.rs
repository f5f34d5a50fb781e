//! Endpoints that clients ask for, by address (ORIGINAL_DST) or by name (dynamic forward proxy): made
//! when first asked for, forgotten when unused.
//!
//! Shared by the workers, so that a destination has one set of counters. The lock is only read for
//! what is known, and held for a look into a map.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use ferromesh_types::{Locality, Str};

use super::endpoint::{Endpoint, EndpointCounters, Health};
use crate::compiled::UpstreamTransport;

/// The endpoints that are known now, by name (empty for what is asked for by address) and address.
#[derive(Debug, Default)]
pub struct EndpointsOnDemand {
    known: RwLock<HashMap<(Str, SocketAddr), Arc<Endpoint>>>,
}

impl EndpointsOnDemand {
    /// The endpoint at `address`, made if needed.
    pub fn endpoint(
        &self,
        name: Str,
        address: SocketAddr,
        transport: &Arc<UpstreamTransport>,
    ) -> Arc<Endpoint> {
        let key = (name.clone(), address);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = known.get(&key) {
            return Arc::clone(endpoint);
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let endpoint = known.entry(key).or_insert_with(|| {
            Arc::new(Endpoint {
                address: address.into(),
                hostname: name,
                locality: Locality::default(),
                priority: 0,
                weight: 1,
                health: Health::Healthy,
                transport: Arc::clone(transport),
                workload: Str::default(),
                metadata: serde_json::Map::new(),
                check: None,
                counters: Arc::new(EndpointCounters::default()),
            })
        });
        Arc::clone(endpoint)
    }

    /// Forgets those that nobody uses; called from time to time off the workers.
    pub fn clean_up(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, endpoint| Arc::strong_count(endpoint) > 1);
    }

    /// The endpoints that are known now.
    pub fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().cloned().collect()
    }
}
