//! The locality of a Kubernetes Node, from its labels in both spellings.

use ferromesh_types::{Labels, Locality, Str};

/// Region, current and former label.
const REGION: [&str; 2] = [
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/region",
];
/// Zone, current and former label.
const ZONE: [&str; 2] = [
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/zone",
];
const SUB_ZONE: [&str; 1] = ["topology.istio.io/subzone"];

/// Where a node with these labels is.
pub(crate) fn locality(labels: &Labels) -> Locality {
    let first = |keys: &[&str]| -> Str {
        keys.iter()
            .find_map(|key| labels.get(key))
            .cloned()
            .unwrap_or_default()
    };
    Locality {
        region: first(&REGION),
        zone: first(&ZONE),
        sub_zone: first(&SUB_ZONE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_of_labels_are_read_and_the_current_one_wins() {
        let labels: Labels = [
            ("failure-domain.beta.kubernetes.io/region", "old"),
            ("topology.kubernetes.io/region", "new"),
            ("failure-domain.beta.kubernetes.io/zone", "z"),
        ]
        .into_iter()
        .collect();
        assert_eq!(locality(&labels).to_string(), "new/z");
    }
}
