//! Who gets which address: a range for pods, one for load balancers, one for cluster addresses.
//!
//! Pure bookkeeping. The bridge holds the first address of the pod range and of the load balancer
//! range. Pod addresses are handed out round robin, so that an address comes back as late as
//! possible: a neighbour may still have it in its ARP table or in a connection pool.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// An IPv4 range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    base: u32,
    prefix: u8,
}

/// A range that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not an address range: {reason}; write for example 10.244.0.0/16")]
pub struct RangeError {
    text: String,
    reason: &'static str,
}

impl Range {
    /// Reads `a.b.c.d/prefix`; the host part must be zero, the prefix 8 to 28.
    ///
    /// # Errors
    /// When the text is no such range.
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        let fail = |reason| RangeError {
            text: text.to_owned(),
            reason,
        };
        let (address, prefix) = text
            .split_once('/')
            .ok_or_else(|| fail("no prefix length"))?;
        let address: Ipv4Addr = address.parse().map_err(|_| fail("not an IPv4 address"))?;
        let prefix: u8 = prefix
            .parse()
            .map_err(|_| fail("the prefix length is no number"))?;
        if !(8..=28).contains(&prefix) {
            return Err(fail("the prefix length must be 8 to 28"));
        }
        let range = Self {
            base: address.to_bits(),
            prefix,
        };
        if range.base & (range.size() - 1) != 0 {
            return Err(fail("the host part is not zero"));
        }
        Ok(range)
    }

    /// Reads the destination of a route: a range or a single address, of any size but all.
    pub fn of_route(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
        let prefix: u8 = prefix
            .parse()
            .ok()
            .filter(|prefix| (1..=32).contains(prefix))?;
        Some(Self::new(address.parse().ok()?, prefix))
    }

    /// A range from its parts; for built-in ranges.
    pub const fn new(address: Ipv4Addr, prefix: u8) -> Self {
        Self {
            base: address.to_bits(),
            prefix,
        }
    }

    /// How many addresses the range has.
    pub fn size(&self) -> u32 {
        1 << (32 - self.prefix)
    }

    /// The `index`-th address.
    pub fn at(&self, index: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base + index % self.size())
    }

    /// Whether `address` lies in the range.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & !(self.size() - 1) == self.base
    }

    /// Whether the two ranges share an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.at(0)) || other.contains(self.at(0))
    }

    /// The prefix length.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// `address/prefix` with the prefix of this range.
    pub fn with_prefix(&self, address: Ipv4Addr) -> String {
        format!("{address}/{}", self.prefix)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.with_prefix(self.at(0)))
    }
}

/// The three ranges of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// Pods.
    pub pods: Range,
    /// Load balancers.
    pub load_balancers: Range,
    /// Services inside the cluster; no packet ever carries one of these.
    pub services: Range,
}

impl Ranges {
    /// The `n`-th candidate: the first is Kubernetes' customary 10.244.0.0/16, then its
    /// neighbours upward; the load balancers' `/24` moves along in 172.18.0.0/16.
    pub fn candidate(n: u32) -> Self {
        let step = (n % 11) as u8;
        Self {
            pods: Range::new(Ipv4Addr::new(10, 244 + step, 0, 0), 16),
            load_balancers: Range::new(Ipv4Addr::new(172, 18, 100 + step, 0), 24),
            services: Range::new(Ipv4Addr::new(10, 96 + step, 0, 0), 16),
        }
    }

    /// How many different candidates there are.
    pub const CANDIDATES: u32 = 11;

    /// The address of the bridge: the pods' gateway and name server.
    pub fn bridge(&self) -> Ipv4Addr {
        self.pods.at(1)
    }

    /// The bridge's address among the load balancers.
    pub fn load_balancer_bridge(&self) -> Ipv4Addr {
        self.load_balancers.at(1)
    }
}

/// Hands out addresses of one range.
#[derive(Debug)]
pub struct Pool {
    range: Range,
    next: u32,
    taken: BTreeSet<Ipv4Addr>,
}

/// The range has no free address left.
#[derive(Debug, thiserror::Error)]
#[error("no free address is left in {0}: give a larger range")]
pub struct PoolExhausted(Range);

impl Pool {
    /// Starts after the network's and the bridge's own address.
    pub fn new(range: Range) -> Self {
        Self {
            range,
            next: 2,
            taken: BTreeSet::new(),
        }
    }

    /// The next free address.
    ///
    /// # Errors
    /// When all are taken.
    pub fn take(&mut self) -> Result<Ipv4Addr, PoolExhausted> {
        // The last two are the probe target of an announcement and the broadcast address.
        let last = self.range.size() - 2;
        for _ in 2..last {
            let address = self.range.at(self.next);
            self.next = if self.next + 1 >= last {
                2
            } else {
                self.next + 1
            };
            if self.taken.insert(address) {
                return Ok(address);
            }
        }
        Err(PoolExhausted(self.range))
    }

    /// Takes `address` if it lies in the range and is free.
    pub fn take_wanted(&mut self, address: Ipv4Addr) -> bool {
        self.range.contains(address) && self.taken.insert(address)
    }

    /// Gives `address` back.
    pub fn release(&mut self, address: Ipv4Addr) {
        self.taken.remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_reads_what_it_writes_and_refuses_host_bits() {
        let range = Range::parse("10.244.0.0/16").expect("a valid range");
        assert_eq!(range.to_string(), "10.244.0.0/16");
        for bad in [
            "10.244.0.0",
            "10.244.0.1/16",
            "x/16",
            "10.0.0.0/33",
            "10.0.0.0/31",
        ] {
            assert!(Range::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_comes_back_as_late_as_possible() {
        let mut pool = Pool::new(Range::parse("10.0.0.0/28").expect("a valid range"));
        let first = pool.take().expect("an empty pool has room");
        pool.release(first);
        assert_ne!(pool.take().expect("room"), first);
        let mut rest = 0;
        while pool.take().is_ok() {
            rest += 1;
        }
        assert_eq!(rest, 11);
        pool.release(first);
        assert_eq!(pool.take().expect("one was given back"), first);
    }

    #[test]
    fn candidates_do_not_overlap() {
        let all: Vec<_> = (0..Ranges::CANDIDATES).map(Ranges::candidate).collect();
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert!(!a.pods.overlaps(&b.pods));
                assert!(!a.load_balancers.overlaps(&b.load_balancers));
            }
            assert!(!a.pods.overlaps(&a.services));
        }
    }
}
