//! What the control plane is told: pods with their status, services with their addresses, nodes,
//! and what every namespace has. These are the objects of the status directory.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::cluster::{Cluster, PodEntry};
use super::{schedule, services};
use crate::keyed::{KeyedKind, KeyedObjects};
use crate::kubernetes::Service;

/// The ConfigMap with the mesh's root certificate that every namespace has.
const ROOT_CONFIG_MAP: &str = "istio-ca-root-cert";

/// Adds the root certificate of `namespace` to `keyed`.
pub(super) fn add_root(keyed: &mut KeyedObjects, namespace: &str, root: &[u8]) {
    let keys = [("root-cert.pem".to_owned(), root.to_vec())].into();
    keyed.insert(KeyedKind::ConfigMap, namespace, ROOT_CONFIG_MAP, keys);
}

impl Cluster {
    /// Everything that the control plane is told.
    pub(super) fn status_objects(&self) -> Vec<Value> {
        let mut objects: Vec<Value> = self
            .objects
            .system_in_force()
            .filter(|object| object["kind"] != "Deployment" && object["kind"] != "Service")
            .cloned()
            .collect();
        let services: HashMap<_, _> = self
            .objects
            .read::<Service>("Service")
            .into_iter()
            .collect();
        for (key, object) in self.objects.of_kind("Service") {
            let Some(service) = services.get(key) else {
                continue;
            };
            let addresses = (
                self.addresses.cluster_ip(service),
                self.addresses.balancer_ip(service),
            );
            objects.push(services::completed(object, addresses.0, addresses.1));
        }
        objects.extend(self.pods.values().map(|entry| self.pod_object(entry)));
        if self.objects.of_kind("Node").next().is_none() {
            objects.push(schedule::default_node());
        }
        for namespace in self.objects.namespaces() {
            objects.extend(self.namespace_objects(&namespace));
        }
        objects
    }

    fn pod_object(&self, entry: &PodEntry) -> Value {
        let mut object = entry.object.clone();
        if let Some(deletion) = &entry.deletion {
            object["metadata"]["deletionTimestamp"] = json!(deletion);
        }
        if let Some(status) = &entry.status {
            let mut status = status.clone();
            status.ready = entry.is_ready();
            object["status"] = status.to_kubernetes(entry.ip, self.ranges.bridge());
        }
        object
    }

    /// What Kubernetes and Istio put into every namespace.
    fn namespace_objects(&self, namespace: &str) -> Vec<Value> {
        let metadata = |name: &str| json!({"name": name, "namespace": namespace});
        let mut objects = Vec::new();
        if self.objects.find("Namespace", "", namespace).is_none() {
            objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata":
                {"name": namespace, "labels": {"kubernetes.io/metadata.name": namespace}}}));
        }
        if self
            .objects
            .find("ServiceAccount", namespace, "default")
            .is_none()
        {
            objects.push(json!({"apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": metadata("default")}));
        }
        if let Some(root) = &self.root_certificate {
            let mut labelled = metadata(ROOT_CONFIG_MAP);
            labelled["labels"] = json!({"istio.io/config": "true"});
            objects.push(
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": labelled,
                "data": {"root-cert.pem": String::from_utf8_lossy(root)}}),
            );
        }
        objects
    }
}
