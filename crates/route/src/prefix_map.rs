//! Longest-prefix lookup of an address: one hash probe per distinct prefix length, and there are
//! seldom more than two or three of those.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// Values by network; networks of both families together.
#[derive(Clone, Debug)]
pub(crate) struct PrefixMap<T> {
    /// Distinct prefix lengths, longest first.
    lengths: Vec<u8>,
    values: HashMap<IpNet, T>,
    /// The value for every address, when no prefix was asked for.
    any: Option<T>,
}

impl<T> Default for PrefixMap<T> {
    fn default() -> Self {
        Self {
            lengths: Vec::new(),
            values: HashMap::new(),
            any: None,
        }
    }
}

impl<T: Default> PrefixMap<T> {
    /// The entry of `net`, or of "any address" for `None`.
    pub(crate) fn entry(&mut self, net: Option<IpNet>) -> &mut T {
        let Some(net) = net else {
            return self.any.get_or_insert_with(T::default);
        };
        let net = net.trunc();
        if !self.lengths.contains(&net.prefix_len()) {
            self.lengths.push(net.prefix_len());
            self.lengths.sort_unstable_by(|a, b| b.cmp(a));
        }
        self.values.entry(net).or_default()
    }

    /// The value of the longest prefix that holds `address`.
    pub(crate) fn find(&self, address: Option<IpAddr>) -> Option<&T> {
        if let Some(address) = address {
            for length in &self.lengths {
                // A length beyond the family's width belongs to the other family.
                let Ok(net) = IpNet::new(address, *length) else {
                    continue;
                };
                if let Some(value) = self.values.get(&net.trunc()) {
                    return Some(value);
                }
            }
        }
        self.any.as_ref()
    }
}
