//! Endpoints of ORIGINAL_DST clusters: made when first asked for, forgotten when unused.
//!
//! Shared by the workers, so that a destination has one set of counters. A connection asks once and
//! keeps its endpoint; the lock is therefore off the path of single requests.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use super::endpoint::{Endpoint, EndpointCounters, Health};
use crate::compiled::UpstreamTransport;

/// The destinations that are known now.
#[derive(Debug, Default)]
pub struct OriginalDestinations {
    known: RwLock<HashMap<SocketAddr, Arc<Endpoint>>>,
}

impl OriginalDestinations {
    /// The endpoint for `address`, made if needed.
    pub fn endpoint(
        &self,
        address: SocketAddr,
        transport: &Arc<UpstreamTransport>,
    ) -> Arc<Endpoint> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = known.get(&address) {
            return Arc::clone(endpoint);
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let endpoint = known.entry(address).or_insert_with(|| {
            Arc::new(Endpoint {
                address: address.into(),
                hostname: ferromesh_types::Str::default(),
                locality: ferromesh_types::Locality::default(),
                priority: 0,
                weight: 1,
                health: Health::Healthy,
                transport: Arc::clone(transport),
                workload: ferromesh_types::Str::default(),
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
