//! Names that clients bring along (dynamic forward proxy), with the addresses that they have now.
//!
//! In: a name and a port. Out: an address, once there is one. Whoever asks first for a name starts
//! its task, which looks it up, again and again, until nobody has used the name for a while. A name
//! that once had an address keeps it while lookups fail. All who name one cache share it.

mod name;
mod registry;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ferromesh_types::Str;
use ipnet::IpNet;

use self::name::{CachedName, Found};
use super::circuit_breaker::{Resource, Thresholds};
use super::lookup::Refresh;
use crate::compiled::DnsFamily;
use crate::stats::NameCacheStats;

pub use registry::{NameCaches, OtherSettings};

/// How a cache works.
#[derive(Clone, Debug, PartialEq)]
pub struct NameCacheSettings {
    /// Its name.
    pub name: Str,
    /// Which addresses are wanted.
    pub family: DnsFamily,
    /// How often a name is looked up.
    pub refresh: Refresh,
    /// Whether a name that was not found is forgotten at once, so that the next who asks for it
    /// starts anew.
    pub forgets_failures: bool,
    /// How long a name is kept that nobody uses.
    pub host_ttl: Duration,
    /// How many names are kept.
    pub max_hosts: usize,
    /// How many may wait for an address at a time.
    pub max_waiting: u32,
    /// How long one lookup may take; `None` leaves it to the resolver.
    pub query_timeout: Option<Duration>,
    /// Addresses that are no answer.
    pub unwanted: Option<UnwantedAddresses>,
}

/// Networks whose addresses are left out of answers.
#[derive(Clone, Debug, PartialEq)]
pub struct UnwantedAddresses {
    /// The networks.
    pub networks: Vec<IpNet>,
    /// Whether the addresses outside of them are meant instead.
    pub inverted: bool,
}

impl UnwantedAddresses {
    fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|net| net.contains(&address)) != self.inverted
    }
}

/// Names with their addresses.
#[derive(Debug)]
pub struct NameCache {
    settings: NameCacheSettings,
    names: RwLock<HashMap<Str, Arc<CachedName>>>,
    waiting: Arc<Thresholds>,
    stats: NameCacheStats,
}

/// An address, and the name (with port) that it was found for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedAddress {
    /// `host:port`
    pub name: Str,
    /// Where to.
    pub address: SocketAddr,
}

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAddress {
    /// The cache has no room for another name.
    Full,
    /// Too many wait for addresses already.
    TooManyWaiting,
    /// The lookup failed, for this reason.
    NotFound(Str),
}

impl NameCache {
    /// An empty cache.
    pub fn new(settings: NameCacheSettings, stats: NameCacheStats) -> Self {
        let waiting = Thresholds::new(0, settings.max_waiting, 0, 0);
        Self {
            settings,
            names: RwLock::default(),
            waiting: Arc::new(waiting),
            stats,
        }
    }

    /// How it works.
    pub fn settings(&self) -> &NameCacheSettings {
        &self.settings
    }

    /// The address that a name has now; nothing is looked up. `authority` may have a port.
    pub fn known(&self, authority: &str, default_port: u16) -> Option<NamedAddress> {
        let (host, port) = host_and_port(authority, default_port);
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let name = names.get(key(host, port).as_str())?;
        let Found::Address(address) = name.found() else {
            return None;
        };
        name.touch();
        Some(NamedAddress {
            name: name.key.clone(),
            address,
        })
    }

    /// The address of a name, looked up where that has not been done yet.
    pub async fn find(
        self: &Arc<Self>,
        authority: &str,
        default_port: u16,
    ) -> Result<NamedAddress, NoAddress> {
        let Some(_waiting) = self.waiting.take(Resource::PendingRequests) else {
            self.stats.dns_rq_pending_overflow().inc();
            return Err(NoAddress::TooManyWaiting);
        };
        let name = self.name(authority, default_port)?;
        name.touch();
        match name.first_found().await {
            Found::Address(address) => Ok(NamedAddress {
                name: name.key.clone(),
                address,
            }),
            Found::Nothing(reason) => Err(NoAddress::NotFound(reason)),
            Found::Unasked => Err(NoAddress::NotFound("not looked up".into())),
        }
    }

    /// The entry of a name; one that is new starts to be looked up.
    fn name(
        self: &Arc<Self>,
        authority: &str,
        default_port: u16,
    ) -> Result<Arc<CachedName>, NoAddress> {
        let (host, port) = host_and_port(authority, default_port);
        let key = Str::from(key(host, port));
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.get(&key) {
            return Ok(Arc::clone(name));
        }
        drop(names);
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.get(&key) {
            return Ok(Arc::clone(name));
        }
        if names.len() >= self.settings.max_hosts {
            self.stats.host_overflow().inc();
            return Err(NoAddress::Full);
        }
        let name = Arc::new(CachedName::new(key.clone(), host, port));
        names.insert(key, Arc::clone(&name));
        self.stats.host_added().inc();
        self.stats.num_hosts().set(names.len() as u64);
        tokio::spawn(name::keep(Arc::downgrade(self), Arc::clone(&name)));
        Ok(name)
    }

    fn forget(&self, name: &CachedName) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if names.remove(&name.key).is_some() {
            self.stats.host_removed().inc();
        }
        self.stats.num_hosts().set(names.len() as u64);
    }
}

fn key(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, port).to_string(),
        Err(_) => format!("{host}:{port}"),
    }
}

/// The parts of an authority, without the brackets of an IPv6 address.
fn host_and_port(authority: &str, default_port: u16) -> (&str, u16) {
    let host = ferromesh_route::virtual_host::without_port(authority);
    let port = authority[host.len()..].strip_prefix(':');
    let port = port.and_then(|port| port.parse().ok());
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    (bare.unwrap_or(host), port.unwrap_or(default_port))
}

#[cfg(test)]
mod tests;
