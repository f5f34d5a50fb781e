//! Which endpoints come first: preference of near localities, failover, and fixed shares.
//!
//! In: the groups of a cluster, each with the locality and labels of its endpoints, and the
//! client's. Out: priorities without gaps (0 is used first), or weights per locality.

use std::collections::{BTreeMap, BTreeSet};

use ferromesh_config::kind::destination_rule::{LocalityDistribute, LocalityFailover};
use ferromesh_types::{Labels, Locality, Str};

/// Labels that stand for parts of the locality.
const REGION: &str = "topology.kubernetes.io/region";
const ZONE: &str = "topology.kubernetes.io/zone";
const SUB_ZONE: &str = "topology.istio.io/subzone";

/// How far `there` is from `here`: 0 the same place, 1 the same zone, 2 the same region, 3 another
/// region that may take over, 4 any other.
pub(crate) fn distance(here: &Locality, there: &Locality, failover: &[LocalityFailover]) -> u32 {
    if here.region != there.region {
        let successor = failover.iter().find(|rule| rule.from == here.region);
        return match successor {
            Some(rule) if rule.to != there.region => 4,
            _ => 3,
        };
    }
    if here.zone != there.zone {
        2
    } else {
        u32::from(here.sub_zone != there.sub_zone)
    }
}

/// How many of the labels of `order` differ, counted from the first that does: 0 when all agree.
/// An entry `key=value` compares with that value instead of the client's own.
pub(crate) fn label_distance(
    order: &[Str],
    here: (&Locality, &Labels),
    there: (&Locality, &Labels),
) -> u32 {
    let agreeing = order
        .iter()
        .take_while(|entry| {
            let (key, wanted) = match entry.split_once('=') {
                Some((key, value)) => (key, Some(Str::from(value))),
                None => (entry.as_str(), value_of(entry, here)),
            };
            wanted == value_of(key, there)
        })
        .count();
    (order.len() - agreeing) as u32
}

fn value_of(key: &str, (place, labels): (&Locality, &Labels)) -> Option<Str> {
    let part = match key {
        REGION => &place.region,
        ZONE => &place.zone,
        SUB_ZONE => &place.sub_zone,
        _ => return labels.get(key).cloned(),
    };
    if part.is_empty() {
        labels.get(key).cloned()
    } else {
        Some(part.clone())
    }
}

/// Closes the gaps between priorities: Envoy wants 0, 1, 2 …
pub(crate) fn without_gaps(distances: &[u32]) -> Vec<u32> {
    let ranks: BTreeMap<u32, u32> = distances
        .iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .zip(0..)
        .map(|(&distance, rank)| (distance, rank))
        .collect();
    distances.iter().map(|distance| ranks[distance]).collect()
}

/// The weight of each locality under the first rule for the client's locality; a locality that gets
/// nothing has `None`. `None` altogether if no rule is for the client.
pub(crate) fn shares(
    rules: &[LocalityDistribute],
    here: &Locality,
    places: &[(Locality, u32)],
) -> Option<Vec<Option<u32>>> {
    let rule = rules.iter().find(|rule| covers(&rule.from, here))?;
    let mut weights = vec![None; places.len()];
    for (pattern, percent) in &rule.to {
        let members: Vec<usize> = (0..places.len())
            .filter(|&at| weights[at].is_none() && covers(pattern, &places[at].0))
            .collect();
        let total: u32 = members.iter().map(|&at| places[at].1).sum();
        for at in members {
            let part = f64::from(places[at].1) * f64::from(*percent) / f64::from(total.max(1));
            weights[at] = Some((part.ceil() as u32).max(1));
        }
    }
    Some(weights)
}

/// Whether `region/zone/subzone` with `*` for a rest stands for `place`.
fn covers(pattern: &str, place: &Locality) -> bool {
    let parts = [&place.region, &place.zone, &place.sub_zone];
    for (wanted, actual) in pattern.split('/').zip(parts) {
        if wanted == "*" {
            return true;
        }
        if *actual != wanted {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Locality {
        Locality::parse(text)
    }

    #[test]
    fn near_localities_come_before_far_ones() {
        let here = place("north/north-1");
        for (there, expected) in [
            ("north/north-1", 0),
            ("north/north-1/a", 1),
            ("north/north-2", 2),
            ("south/x", 3),
        ] {
            assert_eq!(distance(&here, &place(there), &[]), expected, "{there}");
        }
        let rule = LocalityFailover {
            from: "north".into(),
            to: "east".into(),
        };
        assert_eq!(
            distance(&here, &place("east/e"), std::slice::from_ref(&rule)),
            3
        );
        assert_eq!(distance(&here, &place("south/s"), &[rule]), 4);
    }

    #[test]
    fn priorities_have_no_gaps() {
        assert_eq!(without_gaps(&[0, 3, 2, 3]), [0, 2, 1, 2]);
        assert_eq!(without_gaps(&[2]), [0]);
    }

    #[test]
    fn labels_count_from_the_first_that_differs() {
        let order = [Str::from("version"), Str::from(REGION)];
        let here: Labels = [("version", "v1")].into_iter().collect();
        let same: Labels = [("version", "v1")].into_iter().collect();
        let other: Labels = [("version", "v2")].into_iter().collect();
        let north = place("north");
        let south = place("south");
        let measure = |there: &Locality, labels: &Labels| {
            label_distance(&order, (&north, &here), (there, labels))
        };
        assert_eq!(measure(&north, &same), 0);
        assert_eq!(measure(&south, &same), 1);
        assert_eq!(measure(&north, &other), 2);
    }

    #[test]
    fn a_distribution_gives_each_locality_its_share_and_others_nothing() {
        let rule = LocalityDistribute {
            from: "north/*".into(),
            to: [("north/north-1/*".into(), 80), ("south/*".into(), 20)].into(),
        };
        let places = [
            (place("north/north-1"), 1),
            (place("north/north-2"), 1),
            (place("south/a"), 1),
            (place("south/b"), 3),
        ];
        assert_eq!(
            shares(
                std::slice::from_ref(&rule),
                &place("north/north-1"),
                &places
            ),
            Some(vec![Some(80), None, Some(5), Some(15)])
        );
        assert_eq!(shares(&[rule], &place("east/e"), &places), None);
    }
}
