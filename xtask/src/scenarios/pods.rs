//! The environment of the scenarios as a cluster would run it: pods with addresses, names that lead
//! to them, and how the proxies beside them introduce themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{GATEWAY_LABEL, NAMESPACE};

/// What the sandbox brings along by itself.
const SYSTEM: &str = include_str!("../../../crates/sandbox/src/system/ingressgateway.yaml");

/// The workloads that scenarios are about.
#[derive(Debug, Default)]
pub struct Pods {
    /// Everything but the Deployments, which became pods.
    pub objects: Vec<Value>,
    pods: Vec<Pod>,
    names: BTreeMap<String, Name>,
    services: BTreeMap<IpAddr, Selection>,
    injected: BTreeSet<String>,
}

/// A running pod.
#[derive(Debug)]
pub struct Pod {
    /// Its name: the deployment's and a suffix.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    labels: Value,
    address: IpAddr,
    /// How its proxy introduces itself; `None` without a proxy.
    pub node: Option<Value>,
    /// Whether the proxy is all that runs in it.
    pub is_gateway: bool,
}

/// The pods of a Service.
#[derive(Clone, Debug)]
struct Selection {
    namespace: String,
    labels: Value,
}

/// What a name stands for.
#[derive(Debug)]
enum Name {
    Address(IpAddr),
    Pods(Selection),
    Alias(String),
}

impl Pods {
    /// Reads the environment.
    pub fn new(environment: &str) -> anyhow::Result<Self> {
        let mut pods = Self::default();
        for text in [SYSTEM, environment] {
            for document in serde_yaml_ng::Deserializer::from_str(text) {
                let object = Value::deserialize(document)?;
                if !object.is_null() {
                    pods.take_in(object);
                }
            }
        }
        Ok(pods)
    }

    /// All pods.
    pub fn all(&self) -> &[Pod] {
        &self.pods
    }

    /// The pod that requests of `who` start at.
    pub fn of_asker(&self, who: &str) -> Option<&Pod> {
        let mut pods = self.pods.iter();
        if who == "gateway" {
            return pods.find(|pod| pod.labels["istio"] == GATEWAY_LABEL);
        }
        pods.find(|pod| belongs_to(&pod.name, who))
    }

    /// The pod that a connection to `target`, a name or an address, arrives at.
    pub fn behind(&self, target: &str) -> Option<&Pod> {
        let address = self.address(target)?;
        let own = self.pods.iter().find(|pod| pod.address == address);
        own.or_else(|| self.selected(self.services.get(&address)?))
    }

    /// The address that a name of the cluster, or an address as text, stands for.
    pub fn address(&self, name: &str) -> Option<IpAddr> {
        if let Ok(address) = name.parse() {
            return Some(address);
        }
        match self.names.get(name)? {
            Name::Address(address) => Some(*address),
            Name::Pods(selection) => Some(self.selected(selection)?.address),
            Name::Alias(other) => self.address(other),
        }
    }

    fn selected(&self, selection: &Selection) -> Option<&Pod> {
        let wanted = selection.labels.as_object()?;
        self.pods.iter().find(|pod| {
            let mut wanted = wanted.iter();
            pod.namespace == selection.namespace
                && wanted.all(|(name, value)| pod.labels[name] == *value)
        })
    }

    fn take_in(&mut self, mut object: Value) {
        match object["kind"].as_str() {
            Some("Deployment") => {
                let replicas = object["spec"]["replicas"].as_u64().unwrap_or(1);
                for number in 0..replicas {
                    let pod = self.start(&object, number);
                    self.objects.push(pod);
                }
                return;
            }
            Some("Namespace") if object["metadata"]["labels"]["istio-injection"] == "enabled" => {
                self.injected.insert(text(&object["metadata"]["name"]));
            }
            Some("Service") => self.name_service(&mut object),
            _ => {}
        }
        self.objects.push(object);
    }

    /// A running pod of a deployment.
    fn start(&mut self, deployment: &Value, number: u64) -> Value {
        let template = &deployment["spec"]["template"];
        let spec = &template["spec"];
        let namespace = text(&deployment["metadata"]["namespace"]);
        let name = match spec["hostname"].as_str() {
            Some(given) => given.to_owned(),
            None => format!("{}-{number}", text(&deployment["metadata"]["name"])),
        };
        let host = u8::try_from(self.pods.len() + 10).unwrap_or(u8::MAX);
        let address = IpAddr::V4(Ipv4Addr::new(10, 244, 0, host));
        let mut labels = template["metadata"]["labels"].clone();
        let annotations = &template["metadata"]["annotations"];
        let is_gateway = annotations["inject.istio.io/templates"] == "gateway";
        let has_proxy = is_gateway || self.injected.contains(&namespace);
        if has_proxy && !is_gateway {
            labels["security.istio.io/tlsMode"] = "istio".into();
        }
        if let Some(subdomain) = spec["subdomain"].as_str() {
            for spelling in spellings(&format!("{name}.{subdomain}"), &namespace) {
                self.names.insert(spelling, Name::Address(address));
            }
        }
        let object = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": spec,
            "status": {
                "phase": "Running",
                "podIP": address.to_string(),
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        });
        let kind = if is_gateway { "router" } else { "sidecar" };
        let node = json!({
            "id": format!("{kind}~{address}~{name}.{namespace}~{namespace}.svc.cluster.local"),
            "metadata": {
                "NAMESPACE": namespace,
                "LABELS": labels,
                "FERROMESH_VERSION": "simulation",
            },
        });
        self.pods.push(Pod {
            name,
            namespace,
            labels,
            address,
            node: has_proxy.then_some(node),
            is_gateway,
        });
        object
    }

    fn name_service(&mut self, service: &mut Value) {
        let name = text(&service["metadata"]["name"]);
        let namespace = text(&service["metadata"]["namespace"]);
        let selection = Selection {
            namespace: namespace.clone(),
            labels: service["spec"]["selector"].clone(),
        };
        for spelling in spellings(&name, &namespace) {
            let stands_for = match &service["spec"]["externalName"] {
                Value::String(other) => Name::Alias(other.clone()),
                _ if service["spec"]["clusterIP"] == "None" => Name::Pods(selection.clone()),
                _ => Name::Address(self.cluster_address(service, &selection)),
            };
            self.names.insert(spelling, stands_for);
        }
    }

    /// The address of a Service, which gets one if it has none.
    fn cluster_address(&mut self, service: &mut Value, selection: &Selection) -> IpAddr {
        let given = service["spec"]["clusterIP"].as_str();
        if let Some(address) = given.and_then(|text| text.parse().ok()) {
            return address;
        }
        let number = u8::try_from(self.services.len() + 10).unwrap_or(u8::MAX);
        let address = IpAddr::V4(Ipv4Addr::new(10, 96, 0, number));
        service["spec"]["clusterIP"] = address.to_string().into();
        self.services.insert(address, selection.clone());
        address
    }
}

impl Pod {
    /// Where it is reached.
    pub fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }
}

/// Whether `pod` belongs to the deployment: its name is the deployment's and a suffix.
pub fn belongs_to(pod: &str, deployment: &str) -> bool {
    pod.strip_prefix(deployment)
        .is_some_and(|rest| rest.starts_with('-'))
}

/// The names that lead to `name` of `namespace` for the client.
fn spellings(name: &str, namespace: &str) -> Vec<String> {
    let mut all = vec![
        format!("{name}.{namespace}"),
        format!("{name}.{namespace}.svc"),
        format!("{name}.{namespace}.svc.cluster.local"),
    ];
    // A name with a dot is not searched for in `svc.cluster.local` alone, but still in the namespace.
    if namespace == NAMESPACE {
        all.push(name.to_owned());
    }
    all
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
