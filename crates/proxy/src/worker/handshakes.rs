//! Connections by source from accept until it is known what they want: the first bytes were looked at
//! and TLS is done. One source that opens many and leaves them there is refused more, so that it
//! costs no other source its place.
//!
//! Counted over all workers behind one lock, which is taken twice per connection and only where there
//! is a limit.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The counts.
#[derive(Debug)]
pub(super) struct Handshakes {
    most: u32,
    by_source: Mutex<HashMap<IpAddr, u32>>,
}

/// Counts a connection while it lives; without a limit it counts nothing.
#[derive(Debug, Default)]
pub(crate) struct Handshake {
    counted: Option<(Arc<Handshakes>, IpAddr)>,
}

impl Handshakes {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most,
            by_source: Mutex::default(),
        }
    }

    /// `None` when there are too many from that source.
    pub(super) fn begin(self: &Arc<Self>, peer: IpAddr) -> Option<Handshake> {
        let source = source(peer);
        let mut by_source = self
            .by_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let open = by_source.entry(source).or_default();
        if *open >= self.most {
            return None;
        }
        *open += 1;
        Some(Handshake {
            counted: Some((Arc::clone(self), source)),
        })
    }

    fn end(&self, source: IpAddr) {
        let mut by_source = self
            .by_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = by_source.get_mut(&source) {
            *open -= 1;
            if *open == 0 {
                by_source.remove(&source);
            }
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        if let Some((handshakes, source)) = &self.counted {
            handshakes.end(*source);
        }
    }
}

/// Who is behind an address. One IPv6 host commonly has a whole /64 network (RFC 7421), and could
/// take another address for each connection.
fn source(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(peer) => IpAddr::V6(Ipv6Addr::from_bits(peer.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_source_has_its_own_places_and_gets_them_back() {
        let handshakes = Arc::new(Handshakes::new(2));
        let first = handshakes.begin(address("192.0.2.1")).expect("a place");
        let _second = handshakes.begin(address("192.0.2.1")).expect("a place");
        assert!(handshakes.begin(address("192.0.2.1")).is_none());
        let _other = handshakes.begin(address("192.0.2.2")).expect("its own");
        drop(first);
        assert!(handshakes.begin(address("192.0.2.1")).is_some());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source_and_nothing_is_kept_of_who_left() {
        let handshakes = Arc::new(Handshakes::new(1));
        let first = handshakes.begin(address("2001:db8::1"));
        assert!(handshakes.begin(address("2001:db8::ffff:2")).is_none());
        assert!(handshakes.begin(address("2001:db8:0:1::1")).is_some());
        drop(first);
        assert!(handshakes.by_source.lock().expect("whole").is_empty());
    }
}
