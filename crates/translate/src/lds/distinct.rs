//! Filter chains of one listener that no connection could tell apart: a proxy refuses them, so the
//! first keeps the connections that both ask for.
//!
//! It happens when services share an address, or when a route or an entry names a block twice.

use std::collections::HashSet;
use std::net::IpAddr;

use ferromesh_proto::envoy::config::core::v3::CidrRange;
use ferromesh_proto::envoy::config::listener::v3::{FilterChain, FilterChainMatch};
use prost::Message;

/// A block with the bits beyond its length cleared; `None` is every address.
type Block = Option<(bool, u128, u32)>;
/// Everything but names and blocks, encoded; a name; a block.
type Criteria = (Vec<u8>, String, Block);

/// Takes out what an earlier chain has already.
pub(super) fn keep_first(chains: &mut Vec<FilterChain>) {
    let mut taken: HashSet<Criteria> = HashSet::new();
    chains.retain_mut(|chain| {
        let mut wanted = chain.filter_chain_match.clone().unwrap_or_default();
        let mut names = std::mem::take(&mut wanted.server_names);
        let mut ranges = std::mem::take(&mut wanted.prefix_ranges);
        let rest = wanted.encode_to_vec();
        let (any_name, any_range) = (names.is_empty(), ranges.is_empty());
        if any_name {
            names.push(String::new());
        }
        let mut blocks: Vec<Block> = ranges.iter().map(block).collect();
        if any_range {
            blocks.push(None);
        }
        let free =
            |name: &String, block: Block| !taken.contains(&(rest.clone(), name.clone(), block));
        let mut seen = HashSet::new();
        if let [name] = names.as_slice() {
            let keep: Vec<bool> = blocks
                .iter()
                .map(|block| seen.insert(*block) && free(name, *block))
                .collect();
            retain(&mut blocks, &keep);
            retain(&mut ranges, &keep);
        } else {
            let mut seen = HashSet::new();
            names.retain(|name| {
                seen.insert(name.clone()) && blocks.iter().all(|block| free(name, *block))
            });
        }
        if names.is_empty() || blocks.is_empty() {
            return false;
        }
        for name in &names {
            let each = blocks
                .iter()
                .map(|block| (rest.clone(), name.clone(), *block));
            taken.extend(each);
        }
        if !(any_name && any_range) {
            chain.filter_chain_match = Some(FilterChainMatch {
                server_names: if any_name { Vec::new() } else { names },
                prefix_ranges: ranges,
                ..wanted
            });
        }
        true
    });
}

fn retain<T>(list: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    list.retain(|_| keep.next().copied().unwrap_or(true));
}

fn block(range: &CidrRange) -> Block {
    // What is no address is refused by validation; here it is as good as any other text.
    let address: IpAddr = range.address_prefix.parse().ok()?;
    let (bits, width) = match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let length = range
        .prefix_len
        .as_ref()
        .map_or(0, |length| length.value)
        .min(width);
    let masked = bits.checked_shr(width - length).unwrap_or(0);
    Some((address.is_ipv4(), masked, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::cidr;

    fn chain(names: &[&str], blocks: &[(&str, u8)]) -> FilterChain {
        let range = |(address, length): &(&str, u8)| {
            cidr(address.parse::<IpAddr>().expect("an address"), *length)
        };
        FilterChain {
            filter_chain_match: Some(FilterChainMatch {
                server_names: names.iter().map(ToString::to_string).collect(),
                prefix_ranges: blocks.iter().map(range).collect(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn kept(mut chains: Vec<FilterChain>) -> Vec<(usize, usize)> {
        keep_first(&mut chains);
        let counts = chains.iter().map(|chain| {
            let wanted = chain.filter_chain_match.clone().unwrap_or_default();
            (wanted.server_names.len(), wanted.prefix_ranges.len())
        });
        counts.collect()
    }

    #[test]
    fn the_first_chain_keeps_what_a_later_one_asks_for_too() {
        let shared = [("fd00::7", 128)];
        assert_eq!(
            kept(vec![chain(&[], &shared), chain(&[], &shared)]),
            [(0, 1)]
        );
        let wider = [("10.0.0.0", 8), ("10.1.2.3", 32)];
        let other = [("10.9.9.9", 8), ("10.1.2.4", 32)];
        assert_eq!(
            kept(vec![chain(&[], &wider), chain(&[], &other)]),
            [(0, 2), (0, 1)]
        );
        assert_eq!(
            kept(vec![chain(&["a", "b"], &[]), chain(&["b", "c"], &[])]),
            [(2, 0), (1, 0)]
        );
        assert_eq!(kept(vec![chain(&[], &[]), chain(&[], &[])]), [(0, 0)]);
    }

    #[test]
    fn a_block_that_is_written_twice_counts_once() {
        assert_eq!(
            kept(vec![chain(&[], &[("0.0.0.0", 0), ("0.0.0.0", 0)])]),
            [(0, 1)]
        );
        assert_eq!(
            kept(vec![chain(&["a"], &shared_twice()), chain(&["b"], &[])]),
            [(1, 1), (1, 0)]
        );
    }

    fn shared_twice() -> [(&'static str, u8); 2] {
        [("10.0.0.1", 32), ("10.0.0.1", 32)]
    }
}
