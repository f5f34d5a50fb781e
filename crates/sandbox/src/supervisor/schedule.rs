//! Which node a pod is said to run on. All nodes are this machine; their labels give pods places
//! (region, zone) that the mesh balances by.

use std::collections::BTreeMap;

use ferromesh_types::ResourceKey;
use serde_json::{Value, json};

use crate::kubernetes::{Metadata, Pod};

/// The node of a sandbox whose user declares none.
pub(super) const DEFAULT_NODE: &str = "sandbox-node";

/// A node as scheduling sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
}

/// The default node's object.
pub(super) fn default_node() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": DEFAULT_NODE, "labels": {
            "kubernetes.io/hostname": DEFAULT_NODE,
            "kubernetes.io/os": "linux",
            "topology.kubernetes.io/region": "local",
            "topology.kubernetes.io/zone": "local-a",
        }},
    })
}

/// Reads nodes; the default one if there are none.
pub(super) fn nodes(objects: Vec<(ResourceKey, Value)>) -> Vec<Node> {
    let read = |object: &Value| {
        let metadata: Metadata = serde_json::from_value(object.get("metadata")?.clone()).ok()?;
        Some(Node {
            name: metadata.name,
            labels: metadata.labels,
        })
    };
    let nodes: Vec<_> = objects
        .iter()
        .filter_map(|(_, object)| read(object))
        .collect();
    if nodes.is_empty() {
        read(&default_node()).into_iter().collect()
    } else {
        nodes
    }
}

/// The node for `pod`: the one it names, else the one that fits with the fewest pods.
///
/// # Errors
/// Says why no node fits.
pub(super) fn choose(
    pod: &Pod,
    nodes: &[Node],
    pods_on: impl Fn(&str) -> usize,
) -> Result<String, String> {
    let wanted = &pod.spec.node_name;
    if !wanted.is_empty() {
        let known = nodes.iter().any(|node| node.name == *wanted);
        return if known {
            Ok(wanted.clone())
        } else {
            Err(format!("spec.nodeName: there is no Node {wanted:?}"))
        };
    }
    let selector = &pod.spec.node_selector;
    let fits = |node: &&Node| {
        selector
            .iter()
            .all(|(key, value)| node.labels.get(key) == Some(value))
    };
    let fitting = nodes.iter().filter(fits);
    let best = fitting.min_by_key(|node| (pods_on(&node.name), node.name.clone()));
    best.map(|node| node.name.clone())
        .ok_or_else(|| format!("spec.nodeSelector: no Node has the labels {selector:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, zone: &str) -> Node {
        Node {
            name: name.into(),
            labels: [("zone".to_owned(), zone.to_owned())].into(),
        }
    }

    fn pod(spec: Value) -> Pod {
        serde_json::from_value(json!({"spec": spec})).expect("a readable pod")
    }

    #[test]
    fn pods_spread_over_the_nodes_that_fit() {
        let nodes = [node("a", "1"), node("b", "2")];
        let busy = |name: &str| usize::from(name == "a");
        assert_eq!(choose(&pod(json!({})), &nodes, busy), Ok("b".into()));
        let selected = pod(json!({"nodeSelector": {"zone": "1"}}));
        assert_eq!(choose(&selected, &nodes, busy), Ok("a".into()));
        assert_eq!(
            choose(&pod(json!({"nodeName": "a"})), &nodes, busy),
            Ok("a".into())
        );
    }

    #[test]
    fn a_pod_that_fits_nowhere_says_why() {
        let nodes = nodes(Vec::new());
        let error = choose(&pod(json!({"nodeSelector": {"gpu": "yes"}})), &nodes, |_| 0);
        assert!(error.is_err_and(|reason| reason.contains("gpu")));
    }
}
