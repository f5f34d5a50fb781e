//! Scenarios without a socket: the environment and the scenario's objects make a mesh, and each
//! request is walked through the proxy of whoever asks, and on through gateways.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, bail};
use ferromesh_simulate::{
    Call, End, Failure, Forwarding, Mesh, Plane, Resources, Target, TargetEndpoint, Tls,
    UpstreamTlsMode, Walk, proxy,
};

use super::answer::{Answer, Outcome, Received};
use super::file::{Ask, Scenario};
use super::pods::{Pod, Pods};

/// Where requests to names that nobody knows go.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// More gateways in a row are a circle.
const MOST_HOPS: u32 = 4;

/// The shared workloads.
pub struct Simulation {
    pods: Pods,
}

/// The proxies under the objects of one scenario, by pod.
type Planes = BTreeMap<String, Plane>;

impl Simulation {
    /// Reads the environment.
    pub fn new(environment: &str) -> anyhow::Result<Self> {
        Ok(Self {
            pods: Pods::new(environment)?,
        })
    }

    /// Walks all requests of a scenario: per request what came of it, and the way of the first.
    pub fn run(&self, scenario: &Scenario) -> anyhow::Result<Vec<(Outcome, String)>> {
        let planes = self.planes(scenario)?;
        let mut all = Vec::new();
        for ask in &scenario.plan.requests {
            all.push(self.ask(&planes, ask)?);
        }
        Ok(all)
    }

    fn planes(&self, scenario: &Scenario) -> anyhow::Result<Planes> {
        let mut mesh = Mesh::new();
        for object in &self.pods.objects {
            mesh.add(&object.to_string(), "environment");
        }
        mesh.add(&scenario.objects, &scenario.name);
        if let Some(first) = mesh.problems().first() {
            bail!("{first}");
        }
        let snapshot = mesh.snapshot();
        let client = self.pods.of_asker("client").map(|pod| &pod.name);
        let walked = |pod: &&Pod| pod.is_gateway || Some(&pod.name) == client;
        let mut planes = Planes::new();
        for pod in self.pods.all().iter().filter(walked) {
            let Some(node) = &pod.node else { continue };
            let view = snapshot.view_of(&proxy(node)?);
            let plane = Plane::compile(Resources::generate(&snapshot, &view)?);
            if let Some(refused) = plane.refused().first() {
                bail!("{} refuses {refused}", pod.name);
            }
            planes.insert(pod.name.clone(), plane);
        }
        Ok(planes)
    }

    fn ask(&self, planes: &Planes, ask: &Ask) -> anyhow::Result<(Outcome, String)> {
        let start = self.pods.of_asker(&ask.from);
        let start = start.with_context(|| format!("there is no {:?}", ask.from))?;
        let mut outcome = Outcome {
            answers: Vec::new(),
            received: Some(Vec::new()),
        };
        let mut way = String::new();
        for turn in 0..u64::from(ask.times) {
            let mut call = self.call(ask)?;
            // Every hundredth comes once: shares come out exactly.
            call.random = turn * 100 / u64::from(ask.times.min(100)).max(1);
            let mut journey = Journey {
                simulation: self,
                planes,
                turn,
                way: String::new(),
                outcome: &mut outcome,
            };
            let answer = journey.go(start, &call, MOST_HOPS);
            if turn == 0 {
                way = std::mem::take(&mut journey.way);
            }
            outcome.answers.push(answer);
        }
        Ok((outcome, way))
    }

    fn call(&self, ask: &Ask) -> anyhow::Result<Call> {
        let (scheme, rest) = ask.url.split_once("://").context("a URL without scheme")?;
        let (tls, usual) = match scheme {
            "http" => (Tls::Plaintext, 80),
            "https" => (Tls::Tls, 443),
            other => bail!("{other} is neither http nor https"),
        };
        let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (name, port) = match ask.to.as_deref().unwrap_or(host).rsplit_once(':') {
            Some((name, port)) => (name, port.parse()?),
            None => (ask.to.as_deref().unwrap_or(host), usual),
        };
        let destination = if ask.from == "gateway" {
            // The ports of the gateway's Service.
            let bound = match port {
                80 => 8080,
                443 => 8443,
                other => other,
            };
            SocketAddr::new(NOWHERE, bound)
        } else {
            SocketAddr::new(self.pods.address(name).unwrap_or(NOWHERE), port)
        };
        let mut call = Call::http(destination, host, path);
        call.tls = tls;
        if tls != Tls::Plaintext {
            host.split(':')
                .next()
                .unwrap_or_default()
                .clone_into(&mut call.server_name);
        }
        call.request.method.clone_from(&ask.method);
        for (name, value) in &ask.headers {
            let header = (name.to_ascii_lowercase(), value.clone());
            call.request.headers.push(header);
        }
        Ok(call)
    }
}

/// One request on its way.
struct Journey<'a> {
    simulation: &'a Simulation,
    planes: &'a Planes,
    turn: u64,
    way: String,
    outcome: &'a mut Outcome,
}

impl Journey<'_> {
    /// Through the proxy of `pod`, and on where that leads to another gateway.
    fn go(&mut self, pod: &Pod, call: &Call, hops: u32) -> Answer {
        let Some(plane) = self.planes.get(&pod.name).filter(|_| hops > 0) else {
            return Answer::default();
        };
        let walk: Walk = plane.walk(call, "default");
        self.way.push_str(&walk.to_string());
        let with_status = |status| Answer {
            status: Some(status),
            ..Answer::default()
        };
        match walk.end {
            End::Failed(Failure::TlsRedirect) => with_status(301),
            End::Failed(Failure::NoRoute | Failure::NoVirtualHost) => with_status(404),
            // The connection is closed.
            End::Failed(Failure::NoFilterChain | Failure::NoListener) => with_status(0),
            End::Failed(_) | End::Said(_) => Answer::default(),
            End::Answered { status, body } => Answer {
                body: Some(String::from_utf8_lossy(&body).into_owned()),
                ..with_status(status)
            },
            End::Redirected { status, location } => Answer {
                gets: Some(BTreeMap::from([("location".to_owned(), location)])),
                ..with_status(status)
            },
            End::Forwarded(forwarding) => self.forwarded(&forwarding, call, hops),
        }
    }

    fn forwarded(&mut self, forwarding: &Forwarding, call: &Call, hops: u32) -> Answer {
        let mut shares = forwarding.shares.iter();
        let drawn = shares.find(|share| share.target.cluster == forwarding.drawn);
        let Some(target) = drawn.map(|share| &share.target) else {
            return Answer::default();
        };
        let is_http = forwarding.request_headers.is_some();
        self.copied(forwarding);
        let Some(endpoint) = self.pick(target) else {
            let status = if is_http {
                forwarding.unavailable(target)
            } else {
                0
            };
            return Answer {
                status: Some(status),
                ..Answer::default()
            };
        };
        let (host, port) = host_and_port(endpoint);
        let pod = self.simulation.pods.behind(host);
        if let Some(gateway) = pod.filter(|pod| pod.is_gateway && is_http) {
            return self.go(
                gateway,
                &onward(forwarding, endpoint, call, gateway.at(port)),
                hops - 1,
            );
        }
        let by = pod.map(|pod| pod.name.clone()).unwrap_or_default();
        if !is_http {
            return Answer {
                status: Some(200),
                by,
                ..Answer::default()
            };
        }
        let received = Received {
            by,
            path: forwarding.path.clone(),
            host: forwarding.authority.clone(),
            sees: forwarding.request_headers.clone().unwrap_or_default(),
        };
        let answer = Answer {
            status: Some(200),
            by: received.by.clone(),
            path: Some(received.path.clone()),
            host: Some(received.host.clone()),
            sees: Some(received.sees.clone()),
            ..Answer::default()
        };
        if let Some(all) = &mut self.outcome.received {
            all.push(received);
        }
        answer
    }

    /// Notes the copies; where only a part of the requests is copied, nobody knows which.
    fn copied(&mut self, forwarding: &Forwarding) {
        for mirror in forwarding
            .mirrors
            .iter()
            .filter(|mirror| mirror.share.numerator > 0)
        {
            if mirror.share.numerator < mirror.share.denominator {
                self.outcome.received = None;
            }
            let endpoint = self.pick(&mirror.target);
            let pod = endpoint.and_then(|to| self.simulation.pods.behind(host_and_port(to).0));
            let received = pod.map(|pod| Received {
                by: pod.name.clone(),
                path: forwarding.path.clone(),
                host: mirror.authority.clone(),
                sees: forwarding.request_headers.clone().unwrap_or_default(),
            });
            if let Some(all) = &mut self.outcome.received {
                all.extend(received);
            }
        }
    }

    /// The endpoints of the first priority in turn.
    fn pick<'t>(&self, target: &'t Target) -> Option<&'t TargetEndpoint> {
        let first = target.endpoints.first()?.priority;
        let ready: Vec<_> = target
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.priority == first)
            .collect();
        ready.get(self.turn as usize % ready.len()).copied()
    }
}

/// The call that arrives at a gateway.
fn onward(
    forwarding: &Forwarding,
    endpoint: &TargetEndpoint,
    call: &Call,
    destination: SocketAddr,
) -> Call {
    let mut onward = Call::http(destination, &forwarding.authority, &forwarding.path);
    onward.random = call.random;
    onward.request.method.clone_from(&call.request.method);
    let headers = forwarding.request_headers.iter().flatten();
    onward.request.headers = headers.map(|(n, v)| (n.clone(), v.clone())).collect();
    if let UpstreamTlsMode::Tls {
        identity,
        server_name,
    } = &endpoint.tls
    {
        onward.tls = if &**identity == "default" {
            Tls::Mutual
        } else {
            Tls::Tls
        };
        onward.server_name = server_name.to_string();
    }
    onward
}

fn host_and_port(endpoint: &TargetEndpoint) -> (&str, u16) {
    let parts = endpoint.address.rsplit_once(':');
    parts.map_or((&endpoint.address, 0), |(host, port)| {
        (host, port.parse().unwrap_or(0))
    })
}
