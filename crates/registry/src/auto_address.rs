//! Addresses of our own for services that have none: 240.240.0.0/16 and 2001:2::/48.
//!
//! The address follows from the service's name, so that it is the same after a restart and in
//! every replica of the control plane. Where two names fall on one address, the younger service
//! moves on to the next free one.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::ServiceKey;

/// Addresses that can be given out: all of the last 16 bits but the first and the last.
const SPACE: u32 = 0xFFFE;

/// The services that want an address, and what they got.
#[derive(Clone, Debug, Default)]
pub(crate) struct AutoAddresses {
    /// With the age of the service.
    wanted: BTreeMap<ServiceKey, i64>,
    given: BTreeMap<ServiceKey, u16>,
}

impl AutoAddresses {
    /// Says whether a service wants an address; gives back whether that is news.
    pub(crate) fn want(&mut self, key: &ServiceKey, created: i64, wants: bool) -> bool {
        let age = wants.then_some(created);
        if self.wanted.get(key).copied() == age {
            return false;
        }
        match age {
            Some(created) => self.wanted.insert(key.clone(), created),
            None => self.wanted.remove(key),
        };
        true
    }

    /// Gives out addresses anew; gives back the services whose address is another one now.
    pub(crate) fn assign(&mut self) -> Vec<ServiceKey> {
        let mut taken = HashSet::new();
        let mut given = BTreeMap::new();
        let mut oldest_first: Vec<_> = self.wanted.iter().collect();
        oldest_first.sort_by_key(|(_, created)| **created);
        for (key, _) in oldest_first {
            // More services than addresses: the rest stay without.
            if taken.len() == SPACE as usize {
                break;
            }
            let mut slot = place(key);
            while !taken.insert(slot) {
                slot = if u32::from(slot) == SPACE {
                    1
                } else {
                    slot + 1
                };
            }
            given.insert(key.clone(), slot);
        }
        let moved = given
            .iter()
            .filter(|(key, slot)| self.given.get(*key) != Some(slot))
            .map(|(key, _)| key.clone())
            .chain(
                self.given
                    .keys()
                    .filter(|key| !given.contains_key(*key))
                    .cloned(),
            )
            .collect();
        self.given = given;
        moved
    }

    /// The addresses of a service, IPv4 first; none if it wants none.
    pub(crate) fn of(&self, key: &ServiceKey) -> Vec<IpAddr> {
        let Some(&slot) = self.given.get(key) else {
            return Vec::new();
        };
        let [high, low] = slot.to_be_bytes();
        vec![
            Ipv4Addr::new(240, 240, high, low).into(),
            Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, slot).into(),
        ]
    }
}

/// Where a service's address would be: FNV-1a of its key, which spreads short names well and
/// never changes between versions.
fn place(key: &ServiceKey) -> u16 {
    let mut hash: u32 = 0x811c_9dc5;
    let bytes = key
        .namespace
        .as_str()
        .bytes()
        .chain([b'/'])
        .chain(key.hostname.as_str().bytes());
    for byte in bytes {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    let folded = (hash >> 16) ^ (hash & 0xFFFF);
    (folded % SPACE + 1) as u16
}

#[cfg(test)]
mod tests {
    use ferromesh_types::{Hostname, Namespace};

    use super::*;

    fn key(host: &str) -> ServiceKey {
        ServiceKey {
            hostname: Hostname::from(host),
            namespace: Namespace::from("ns"),
        }
    }

    fn assigned(hosts: impl Iterator<Item = String>) -> AutoAddresses {
        let mut addresses = AutoAddresses::default();
        for host in hosts {
            addresses.want(&key(&host), 0, true);
        }
        addresses.assign();
        addresses
    }

    #[test]
    fn the_address_does_not_depend_on_the_order_of_arrival() {
        let names = |i: u32| format!("host{i}.example.com");
        let forward = assigned((0..2000).map(names));
        let backward = assigned((0..2000).rev().map(names));
        assert_eq!(forward.given, backward.given);
        let distinct: HashSet<_> = forward.given.values().collect();
        assert_eq!(distinct.len(), 2000);
    }

    #[test]
    fn an_address_lies_in_the_reserved_ranges() {
        let addresses = assigned(["a.com".to_owned()].into_iter()).of(&key("a.com"));
        assert!(addresses[0].to_string().starts_with("240.240."));
        assert!(addresses[1].to_string().starts_with("2001:2:"));
    }

    #[test]
    fn who_wants_none_any_more_has_none() {
        let mut addresses = assigned(["a.com".to_owned()].into_iter());
        assert!(!addresses.want(&key("a.com"), 0, true));
        assert!(addresses.want(&key("a.com"), 0, false));
        assert_eq!(addresses.assign(), [key("a.com")]);
        assert!(addresses.of(&key("a.com")).is_empty());
    }
}
