//! Scenarios without a socket: the environment and the scenario's objects make a mesh, and each
//! request is walked through the proxy of whoever asks.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, bail};
use ferromesh_simulate::{Call, End, Failure, Forwarding, Mesh, Plane, Resources, Walk, proxy};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::file::{Ask, Scenario};
use super::{GATEWAY_LABEL, NAMESPACE};

/// What the sandbox brings along by itself.
const SYSTEM: &str = include_str!("../../../crates/sandbox/src/system/ingressgateway.yaml");

/// Where requests to names that nobody knows go.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The shared workloads with addresses, as a cluster would have given them.
pub struct Simulation {
    objects: Vec<Value>,
    /// Pods by address.
    pods: BTreeMap<String, String>,
    /// Addresses by name.
    names: BTreeMap<String, IpAddr>,
    client: Value,
    gateway: Value,
}

impl Simulation {
    /// Reads the environment.
    pub fn new(environment: &str) -> anyhow::Result<Self> {
        let mut simulation = Self {
            objects: Vec::new(),
            pods: BTreeMap::new(),
            names: BTreeMap::new(),
            client: Value::Null,
            gateway: Value::Null,
        };
        for text in [SYSTEM, environment] {
            for document in serde_yaml_ng::Deserializer::from_str(text) {
                let object = Value::deserialize(document)?;
                if !object.is_null() {
                    simulation.take_in(object);
                }
            }
        }
        Ok(simulation)
    }

    fn take_in(&mut self, mut object: Value) {
        match object["kind"].as_str() {
            Some("Deployment") => {
                let replicas = object["spec"]["replicas"].as_u64().unwrap_or(1);
                for number in 0..replicas {
                    let pod = self.pod(&object, number);
                    self.objects.push(pod);
                }
            }
            Some("Service") if object["spec"]["clusterIP"].is_null() => {
                let number = u8::try_from(self.names.len() + 10).unwrap_or(u8::MAX);
                let address = Ipv4Addr::new(10, 96, 0, number);
                object["spec"]["clusterIP"] = address.to_string().into();
                self.name_service(&object, address.into());
                self.objects.push(object);
            }
            _ => self.objects.push(object),
        }
    }

    fn name_service(&mut self, service: &Value, address: IpAddr) {
        let name = service["metadata"]["name"].as_str().unwrap_or_default();
        let namespace = service["metadata"]["namespace"].as_str();
        let namespace = namespace.unwrap_or_default();
        let mut names = vec![
            format!("{name}.{namespace}"),
            format!("{name}.{namespace}.svc"),
            format!("{name}.{namespace}.svc.cluster.local"),
        ];
        if namespace == NAMESPACE {
            names.push(name.to_owned());
        }
        self.names
            .extend(names.into_iter().map(|name| (name, address)));
    }

    /// A running pod of a deployment, and the proxy beside it if it is the client or the gateway.
    fn pod(&mut self, deployment: &Value, number: u64) -> Value {
        let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
        let namespace = deployment["metadata"]["namespace"].clone();
        let template = &deployment["spec"]["template"];
        let address = format!("10.244.0.{}", self.pods.len() + 10);
        let pod = format!("{name}-{number}");
        let mut labels = template["metadata"]["labels"].clone();
        labels["security.istio.io/tlsMode"] = "istio".into();
        let node = |kind: &str| {
            let space = namespace.as_str().unwrap_or_default();
            json!({
                "id": format!("{kind}~{address}~{pod}.{space}~{space}.svc.cluster.local"),
                "metadata": {
                    "NAMESPACE": namespace,
                    "LABELS": labels,
                    "FERROMESH_VERSION": "simulation",
                },
            })
        };
        if labels["istio"] == GATEWAY_LABEL {
            self.gateway = node("router");
        } else if name == "client" {
            self.client = node("sidecar");
        }
        self.pods.insert(address.clone(), pod.clone());
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod, "namespace": namespace, "labels": labels},
            "spec": template["spec"],
            "status": {
                "phase": "Running",
                "podIP": address,
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        })
    }

    /// Walks all requests of a scenario: per request its answers, and the way of the first.
    pub fn run(&self, scenario: &Scenario) -> anyhow::Result<Vec<(Vec<Answer>, String)>> {
        let mut mesh = Mesh::new();
        for object in &self.objects {
            mesh.add(&object.to_string(), "environment");
        }
        mesh.add(&scenario.objects, &scenario.name);
        let problems: Vec<&String> = mesh.problems().iter().collect();
        if let Some(first) = problems.first() {
            bail!("{first}");
        }
        let snapshot = mesh.snapshot();
        let mut planes = BTreeMap::new();
        for (who, node) in [("client", &self.client), ("gateway", &self.gateway)] {
            let view = snapshot.view_of(&proxy(node)?);
            let plane = Plane::compile(Resources::generate(&snapshot, &view)?);
            if let Some(refused) = plane.refused().first() {
                bail!("{who} refuses {refused}");
            }
            planes.insert(who, plane);
        }
        let mut all = Vec::new();
        for ask in &scenario.plan.requests {
            let plane = planes.get(ask.from.as_str());
            let plane = plane.with_context(|| format!("there is no {:?}", ask.from))?;
            all.push(self.ask(plane, ask)?);
        }
        Ok(all)
    }

    fn ask(&self, plane: &Plane, ask: &Ask) -> anyhow::Result<(Vec<Answer>, String)> {
        let mut answers = Vec::new();
        let mut way = String::new();
        for turn in 0..u64::from(ask.times) {
            let mut call = self.call(ask)?;
            // Every hundredth comes once: shares come out exactly.
            call.random = turn * 100 / u64::from(ask.times.min(100)).max(1);
            let walk = plane.walk(&call, "default");
            if turn == 0 {
                way = walk.to_string();
            }
            answers.push(self.answer(&walk, turn));
        }
        Ok((answers, way))
    }

    fn call(&self, ask: &Ask) -> anyhow::Result<Call> {
        let rest = ask.url.strip_prefix("http://");
        let rest = rest.with_context(|| format!("{} is not http://…", ask.url))?;
        let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (name, port) = match ask.to.as_deref().unwrap_or(host).rsplit_once(':') {
            Some((name, port)) => (name, port.parse()?),
            None => (ask.to.as_deref().unwrap_or(host), 80),
        };
        let destination = if ask.from == "gateway" {
            // The gateway's Service maps 80 to 8080.
            SocketAddr::new(NOWHERE, if port == 80 { 8080 } else { port })
        } else {
            let known = self.names.get(name).copied();
            SocketAddr::new(known.or(name.parse().ok()).unwrap_or(NOWHERE), port)
        };
        let mut call = Call::http(destination, host, path);
        call.request.method.clone_from(&ask.method);
        for (name, value) in &ask.headers {
            let header = (name.to_ascii_lowercase(), value.clone());
            call.request.headers.push(header);
        }
        Ok(call)
    }

    fn answer(&self, walk: &Walk, turn: u64) -> Answer {
        match &walk.end {
            End::Failed(Failure::TlsRedirect) => Answer {
                status: Some(301),
                ..Answer::default()
            },
            End::Failed(Failure::NoRoute | Failure::NoVirtualHost) => Answer {
                status: Some(404),
                ..Answer::default()
            },
            End::Failed(_) | End::Said(_) => Answer::default(),
            End::Answered { status, body } => Answer {
                status: Some(*status),
                body: Some(String::from_utf8_lossy(body).into_owned()),
                ..Answer::default()
            },
            End::Redirected { status, location } => Answer {
                status: Some(*status),
                gets: Some(BTreeMap::from([("location".to_owned(), location.clone())])),
                ..Answer::default()
            },
            End::Forwarded(forwarding) => self.forwarded(forwarding, turn),
        }
    }

    fn forwarded(&self, forwarding: &Forwarding, turn: u64) -> Answer {
        let drawn = forwarding
            .shares
            .iter()
            .find(|share| share.target.cluster == forwarding.drawn);
        let Some(target) = drawn.map(|share| &share.target) else {
            return Answer::default();
        };
        let first = target.endpoints.first().map_or(0, |e| e.priority);
        let ready: Vec<_> = target
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.priority == first)
            .collect();
        let Some(endpoint) = ready.get(turn as usize % ready.len().max(1)) else {
            return Answer {
                status: Some(forwarding.unavailable(target)),
                ..Answer::default()
            };
        };
        let address = endpoint.address.rsplit_once(':').map_or("", |(ip, _)| ip);
        Answer {
            status: Some(200),
            by: self.pods.get(address).cloned().unwrap_or_default(),
            path: Some(forwarding.path.clone()),
            host: Some(forwarding.authority.clone()),
            sees: forwarding.request_headers.clone(),
            gets: None,
            body: None,
        }
    }
}
