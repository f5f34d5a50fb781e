//! `fieldRef` and `resourceFieldRef`: what a container may learn about its own pod.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::Value;

use super::quantity;
use crate::kubernetes::{Container, Pod, ResourceFieldRef};

/// What is known about a pod once it has a place and an address.
#[derive(Clone, Debug)]
pub struct Placement {
    /// The pod's address.
    pub pod_ip: Ipv4Addr,
    /// The address of the node: the bridge.
    pub host_ip: Ipv4Addr,
    /// The node's name.
    pub node: String,
}

/// The text of the field at `path`; `None` when there is no such field.
pub fn field(pod: &Pod, placement: &Placement, path: &str) -> Option<String> {
    let metadata = &pod.metadata;
    if let Some((map, key)) = path
        .strip_suffix("']")
        .and_then(|path| path.split_once("['"))
    {
        let map = match map {
            "metadata.labels" => &metadata.labels,
            "metadata.annotations" => &metadata.annotations,
            _ => return None,
        };
        return Some(map.get(key).cloned().unwrap_or_default());
    }
    Some(match path {
        "metadata.name" => metadata.name.clone(),
        "metadata.namespace" => metadata.namespace.clone(),
        "metadata.uid" => metadata.uid.clone(),
        "metadata.labels" => lines(&metadata.labels),
        "metadata.annotations" => lines(&metadata.annotations),
        "spec.nodeName" => placement.node.clone(),
        "spec.serviceAccountName" => pod.service_account().to_owned(),
        "status.podIP" | "status.podIPs" => placement.pod_ip.to_string(),
        "status.hostIP" | "status.hostIPs" => placement.host_ip.to_string(),
        _ => return None,
    })
}

/// The text of a request or limit; what is not set is what the machine has.
pub fn resource(own: &Container, pod: &Pod, reference: &ResourceFieldRef) -> Option<String> {
    let container = match reference.container_name.as_str() {
        "" => own,
        name => {
            let mut all = pod.spec.containers.iter().chain(&pod.spec.init_containers);
            all.find(|container| container.name == name)?
        }
    };
    let (list, resource) = reference.resource.split_once('.')?;
    let set = match list {
        "limits" => container.resources.limits.get(resource),
        "requests" => container.resources.requests.get(resource),
        _ => return None,
    };
    let value = match set {
        Some(value) => quantity::milli(value)?,
        None if list == "requests" => 0,
        None => of_the_machine(resource)?,
    };
    let divisor = match &reference.divisor {
        None | Some(Value::Null) => 1_000,
        Some(divisor) => match quantity::milli(divisor)? {
            0 => 1_000,
            divisor => divisor,
        },
    };
    Some(quantity::divided(value, divisor))
}

fn of_the_machine(resource: &str) -> Option<u128> {
    match resource {
        "cpu" => {
            let count = std::thread::available_parallelism().map_or(1, usize::from);
            Some(count as u128 * 1_000)
        }
        "memory" => {
            let memory = rustix::system::sysinfo();
            let bytes = u128::from(memory.totalram) * u128::from(memory.mem_unit);
            Some(bytes * 1_000)
        }
        "ephemeral-storage" => Some(0),
        _ => None,
    }
}

/// The format of the downward API's files: `key="value"` per line, quoted as Go quotes.
fn lines(map: &BTreeMap<String, String>) -> String {
    let lines: Vec<_> = map
        .iter()
        .map(|(key, value)| format!("{key}={}", Value::from(value.as_str())))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web", "v": "1\"2"}},
            "spec": {"containers": [{"name": "c", "resources": {"limits": {"memory": "128Mi"}}}]}
        }))
        .expect("a valid pod")
    }

    fn placement() -> Placement {
        Placement {
            pod_ip: Ipv4Addr::new(10, 0, 0, 2),
            host_ip: Ipv4Addr::new(10, 0, 0, 1),
            node: "node-1".into(),
        }
    }

    #[test]
    fn fields_of_the_pod_are_found_by_their_path() {
        for (path, expected) in [
            ("metadata.name", Some("web-1")),
            ("metadata.labels['app']", Some("web")),
            ("metadata.labels['none']", Some("")),
            ("metadata.labels", Some("app=\"web\"\nv=\"1\\\"2\"")),
            ("status.podIP", Some("10.0.0.2")),
            ("spec.serviceAccountName", Some("default")),
            ("spec.nothing", None),
        ] {
            assert_eq!(
                field(&pod(), &placement(), path).as_deref(),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn a_limit_is_given_in_the_unit_of_the_divisor() {
        let pod = pod();
        let of = |resource: &str, divisor: Value| {
            let reference = ResourceFieldRef {
                container_name: String::new(),
                resource: resource.into(),
                divisor: Some(divisor),
            };
            resource_text(&pod, &reference)
        };
        assert_eq!(of("limits.memory", json!("1Mi")).as_deref(), Some("128"));
        assert_eq!(
            of("limits.memory", json!("0")).as_deref(),
            Some("134217728")
        );
        assert_eq!(of("requests.cpu", json!("1m")).as_deref(), Some("0"));
        assert!(of("limits.cpu", json!("1")).is_some());
    }

    fn resource_text(pod: &Pod, reference: &ResourceFieldRef) -> Option<String> {
        resource(&pod.spec.containers[0], pod, reference)
    }
}
